"""Weights from PyTorch and back, nothing missing and nothing left over."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.interop.torch.files import Weights, arrays_of
from fnn.interop.torch.layout import Place, layout
from fnn.layer import Layer, Params, State

IMAGENET = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
"""The input that published weights are for."""


def load(
    model: Layer,
    weights: Weights,
    *,
    x: Any = IMAGENET,
    names: Mapping[str, str] | None = None,
    skip: Sequence[str] = (),
) -> tuple[Params, State]:
    """Reads a network's parameters and state from PyTorch's weights.

    The layers must compute what PyTorch's do; those of `fnn.models.alexnet`, `vgg`, `resnet` and `googlenet` compute
    what torchvision's do. Published weights expect images as torchvision's transforms of those weights make them: in
    [0, 1], less the mean (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225); GoogLeNet's less 0.5, divided by
    0.5, which torchvision does inside of the network.

    Args:
      model: the network.
      weights: a `.safetensors` file, read without PyTorch; a `.pth` file, read by PyTorch with `weights_only=True`; or
        a mapping of names to arrays, such as `module.state_dict()`.
      x: what the network is applied to, or its `jax.ShapeDtypeStruct`: the first dense layer depends on it.
      names: from the path of each layer to the module's name; torchvision's by default.
      skip: patterns of entries that are left out, such as `["aux*"]` for the auxiliary heads in GoogLeNet's weights.

    Returns:
      `params, state`, float32, as `model.init(key, x)` would give.

    Raises:
      ValueError: if anything is missing, left over or of another shape; all of it is listed.
    """
    places = layout(model, x, names)
    arrays = {
        key: array
        for key, array in arrays_of(weights).items()
        if not any(fnmatchcase(key, pattern) for pattern in skip)
    }
    _check(arrays, places)
    trees: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for place in places:
        inside = trees[place.tree]
        for name in place.path[:-1]:
            inside = inside.setdefault(name, {})
        inside[place.path[-1]] = jnp.asarray(place.from_torch(arrays[place.key]), jnp.float32)
    return trees


def export(
    model: Layer, params: Params, state: State, *, x: Any = IMAGENET, names: Mapping[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Writes parameters and state as PyTorch names and orders them: the way back from `load`.

    `module.load_state_dict({name: torch.tensor(array) for name, array in export(…).items()})` takes it as it is, and
    `safetensors.numpy.save_file` writes it. Gradients, which are trees like the parameters, can be written too.

    Args:
      model: the network.
      params: its parameters.
      state: its state.
      x: as for `load`.
      names: as for `load`.

    Raises:
      ValueError: if an entry is missing, left over or of another shape.
    """
    given = [
        {tuple(str(entry.key) for entry in path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}
        for tree in (params, state)
    ]
    places = layout(model, x, names)
    wanted = {(place.tree, place.path): place for place in places}
    faults = [f"missing {'/'.join(path)}" for tree, path in wanted if path not in given[tree]]
    faults += [f"left over {'/'.join(p)}" for tree in (0, 1) for p in given[tree] if (tree, p) not in wanted]
    faults += [
        f"{'/'.join(path)} of shape {jnp.shape(given[tree][path])} for {place.shape}"
        for (tree, path), place in wanted.items()
        if path in given[tree] and jnp.shape(given[tree][path]) != place.shape
    ]
    if faults:
        raise ValueError(f"the parameters or the state are not this network's for this x: {'; '.join(faults)}.")
    return {place.key: place.to_torch(np.asarray(given[place.tree][place.path])) for place in places}


def _check(arrays: Mapping[str, np.ndarray], places: Sequence[Place]) -> None:
    """Raises `ValueError` with all that is missing, left over and misshapen."""
    wanted = {place.key: place.torch_shape for place in places}
    # How many batches a BatchNorm has seen matters only to PyTorch's cumulative averages.
    counters = {key.removesuffix("running_mean") + "num_batches_tracked" for key in wanted}
    faults = [f"missing {key} {shape}" for key, shape in wanted.items() if key not in arrays]
    faults += [f"left over {key} {a.shape}" for key, a in arrays.items() if key not in wanted and key not in counters]
    faults += [
        f"{key} of shape {arrays[key].shape} for {shape}"
        for key, shape in wanted.items()
        if key in arrays and arrays[key].shape != shape
    ]
    if faults:
        raise ValueError(
            f"the weights are not this network's: {'; '.join(faults)}. Give the model the depth, options and number of "
            "classes of the weights, x the size of their images, and skip= what is to be left out."
        )
