"""fnn's own weights in safetensors files: arrays by path, nothing that could run."""

from os import PathLike
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fnn.layer import Params, State

_TREES = ("params", "state")


def save(path: str | PathLike[str], params: Params, state: State) -> None:
    """Writes the weights of a network: each array under its path, `"params/features/conv1/kernel"`.

    Whoever reads `path` finds the old file or the new one, never a part.
    """
    from safetensors.numpy import save_file

    trees = dict(zip(_TREES, (params, state), strict=True))
    arrays = {
        "/".join(entry.key for entry in where): np.ascontiguousarray(leaf)
        for where, leaf in jax.tree.leaves_with_path(trees)
    }
    path = Path(path)
    beside = path.with_name(path.name + ".part")
    save_file(arrays, beside)
    beside.replace(path)


def load(path: str | PathLike[str]) -> tuple[Params, State]:
    """Reads what `save` wrote.

    Raises:
      ValueError: if it is no such file.
    """
    trees: dict = {name: {} for name in _TREES}
    arrays = read(path)
    foreign = [name for name in arrays if name.split("/")[0] not in _TREES]
    if foreign:
        raise ValueError(
            f"{path} was not written by fnn: {foreign[:4]} begin neither with params/ nor with state/. Weights of "
            "PyTorch are read by fnn.interop.torch.load."
        )
    for name, array in arrays.items():
        *where, last = name.split("/")
        inside = trees
        for part in where:
            inside = inside.setdefault(part, {})
        inside[last] = jnp.asarray(array)
    return trees["params"], trees["state"]


def read(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the arrays of any safetensors file by name.

    Raises:
      ValueError: if it is no whole safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from error
