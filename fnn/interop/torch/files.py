"""Arrays by name, from a safetensors file, a file of PyTorch's own, or a mapping."""

import pickle
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fnn.interop.safetensors import read

Weights = str | PathLike[str] | Mapping[str, Any]


def arrays_of(weights: Weights) -> dict[str, np.ndarray]:
    """Returns weights as NumPy arrays by name.

    Args:
      weights: a `.safetensors` file; a `.pth` or `.pt` file, which needs PyTorch and is read with `weights_only=True`,
        so that no code in it runs; or a mapping, such as a module's `state_dict()`.

    Raises:
      ValueError: if a file is of no such kind, or holds anything but named arrays.
    """
    if isinstance(weights, Mapping):
        return _as_arrays(weights, "the mapping of weights")
    path = Path(weights)
    if path.suffix == ".safetensors":
        return read(path)
    if path.suffix in (".pth", ".pt"):
        return _as_arrays(_unpickle(path), str(path))
    raise ValueError(f"{path} must be a .safetensors, .pth or .pt file.")


def _unpickle(path: Path) -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"PyTorch is needed to read {path}; safetensors files are read without it.") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{path} is no file of weights alone, which is all that is read; a pickle of a whole module may run any "
            "code. Save module.state_dict() instead."
        ) from error


def _as_arrays(weights: Any, what: str) -> dict[str, np.ndarray]:
    if not isinstance(weights, Mapping):
        raise ValueError(f"{what} must map names to arrays, got a {type(weights).__name__}.")
    strange = [name for name, value in weights.items() if not hasattr(value, "shape")]
    if strange:
        raise ValueError(f"{what} must map names to arrays, but {strange} are none. Pass the entry that holds them.")
    return {name: _as_array(value) for name, value in weights.items()}


def _as_array(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):  # a tensor of PyTorch's, whose bfloat16 NumPy does not know
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()
    return np.asarray(value)
