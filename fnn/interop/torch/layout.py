"""Where each array of a network stands in PyTorch, and in which order of axes."""

import math
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from fnn.intermediates import intermediates
from fnn.interop.torch.names import torchvision_names
from fnn.layer import Layer

_ENTRIES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


class Place(NamedTuple):
    """One array in both libraries."""

    tree: int
    """0 for parameters, 1 for state."""
    path: tuple[str, ...]
    """In fnn's tree."""
    key: str
    """In PyTorch's state_dict."""
    shape: tuple[int, ...]
    """In fnn."""
    flattened: int
    """How many channels the images have whose flattening the layer reads; 0 where it reads none."""

    @property
    def torch_shape(self) -> tuple[int, ...]:
        """The shape in PyTorch: features and channels come first."""
        return (self.shape[-1], self.shape[-2], *self.shape[:-2]) if self.path[-1] == "kernel" else self.shape

    def from_torch(self, array: np.ndarray) -> np.ndarray:
        """Orders PyTorch's array as fnn does.

        A convolution's `(features, channels, *window)` becomes `(*window, channels, features)`, a linear layer's
        `(features, inputs)` becomes `(inputs, features)`. Where the inputs are flattened images, PyTorch flattens
        `(channels, height, width)` and fnn `(height, width, channels)`.
        """
        if self.path[-1] != "kernel":
            return array
        array = np.moveaxis(array, (0, 1), (-1, -2))
        if self.flattened:
            array = array.reshape(self.flattened, -1, array.shape[-1]).swapaxes(0, 1).reshape(array.shape)
        return array

    def to_torch(self, array: np.ndarray) -> np.ndarray:
        """The way back."""
        if self.path[-1] != "kernel":
            return array
        if self.flattened:
            array = array.reshape(-1, self.flattened, array.shape[-1]).swapaxes(0, 1).reshape(array.shape)
        return np.ascontiguousarray(np.moveaxis(array, (-1, -2), (0, 1)))


def layout(model: Layer, x: Any, names: Mapping[str, str] | None) -> list[Place]:
    """Finds the place of each array of a network, without computing anything.

    Raises:
      ValueError: if the names are not those of the network's layers, or an array has no counterpart in PyTorch.
    """
    trees, leaves = _leaves(model, x)
    names = _names([path for _, path, _ in leaves], names)
    strange = ["/".join(path) for _, path, _ in leaves if path[-1] not in _ENTRIES]
    if strange:
        raise ValueError(f"these have no counterpart among PyTorch's modules: {strange}.")
    dense = {"/".join(path[:-1]) for _, path, shape in leaves if path[-1] == "kernel" and len(shape) == 2}
    flattened = _flattened(model, trees, dense, x)
    return [
        Place(
            tree,
            path,
            f"{names['/'.join(path[:-1])]}.{_ENTRIES[path[-1]]}",
            shape,
            flattened.get("/".join(path[:-1]), 0),
        )
        for tree, path, shape in leaves
    ]


def module_names(model: Layer, x: Any, names: Mapping[str, str] | None) -> Mapping[str, str]:
    """Returns the module's name of each layer with parameters: those given, checked, or torchvision's."""
    return _names([path for _, path, _ in _leaves(model, x)[1]], names)


def _leaves(model: Layer, x: Any) -> tuple[Any, list[tuple[int, tuple[str, ...], tuple[int, ...]]]]:
    """Returns the shapes of parameters and state, and each array's tree, path and shape."""
    trees = jax.eval_shape(model.init, jax.random.key(0), x)
    leaves = [
        (tree, tuple(str(entry.key) for entry in path), leaf.shape)
        for tree in (0, 1)
        for path, leaf in jax.tree.leaves_with_path(trees[tree])
    ]
    return trees, leaves


def _names(paths: list[tuple[str, ...]], names: Mapping[str, str] | None) -> Mapping[str, str]:
    layers = list(dict.fromkeys("/".join(path[:-1]) for path in paths))
    names = torchvision_names(layers) if names is None else names
    if set(names) != set(layers):
        raise ValueError(
            f"names expects an entry for each layer with parameters; missing are {sorted(set(layers) - set(names))}, "
            f"unknown {sorted(set(names) - set(layers))}."
        )
    return names


def _flattened(model: Layer, trees: Any, dense: Collection[str], x: Any) -> dict[str, int]:
    """Finds which of the dense layers read flattened images, and how many channels those have.

    What passes is followed in the order in which it passes: a layer that makes `(batch, height · width · channels)`
    of an image flattens, and the next dense layer that reads as many numbers is the one.
    """
    _, _, passages = jax.eval_shape(partial(intermediates, model, train=False), *trees, x)
    found: dict[str, int] = {}
    inputs = channels = 0
    for passage in passages:
        before: tuple[int, ...] = getattr(passage.x, "shape", ())
        after: tuple[int, ...] = getattr(passage.y, "shape", ())
        if not inputs and len(before) > 2 and after == (before[0], math.prod(before[1:])):
            inputs, channels = math.prod(before[1:]), before[-1]
        elif inputs and passage.path in dense and before[-1:] == (inputs,):
            found[passage.path] = channels
            inputs = 0
    return found
