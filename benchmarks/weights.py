"""The initial weights that every peer starts from, made once as NumPy arrays and placed on the network's tree.

Layouts are the channels-last ones: a convolution's kernel is `(height, width, channels, features)`, a dense one
`(inputs, features)`. The peers whose layout is another convert them with the two functions at the end.
"""

import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, Layer, MaxPool, Relu, Residual

_DAMPING = 0.2


class Placed(NamedTuple):
    """A layer of a network at its place: what comes in, what goes out, its weights, and the layers inside."""

    layer: Layer
    name: str
    """Unique in the network where there are weights: `"conv3"`."""
    inputs: tuple[int, ...]
    """The shape of one example before the layer."""
    outputs: tuple[int, ...]
    """The shape of one example after it."""
    weights: dict[str, np.ndarray]
    """`kernel` and `bias`; for BatchNorm `scale`, `bias` and the running `mean` and `var`."""
    flattened: tuple[int, ...]
    """For the first Dense after a Flatten the `(height, width, channels)` that were flattened; else empty."""
    parts: tuple["Placed", ...]
    """The layers of a sequence, or the main path and the shortcut of a Residual, both of them sequences."""


def place(layer: Layer, shape: tuple[int, ...], seed: int = 0) -> Placed:
    """Gives a network weights for inputs of a shape.

    Kernels are He-normal. Scales, biases and running moments are drawn near their usual initial values and not at
    them, so that a peer which leaves them alone disagrees with the others. The last scale of a residual path is made
    smaller, as is usual (Goyal et al. 2017, arXiv 1706.02677, section 5.1): with scales near 1 the gradients of
    ResNet-50 grow so large from layer to layer that float32 leaves 2 % of error in them, in every library.

    Args:
      layer: a description from `benchmarks.nets`.
      shape: of one example, `(height, width, channels)` or `(features,)`.
      seed: of the weights.
    """
    generator = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    flattened: tuple[int, ...] = ()

    def normal(*shape: int, mean: float = 0.0, deviation: float) -> np.ndarray:
        return (mean + deviation * generator.standard_normal(shape)).astype(np.float32)

    def visit(layer: Layer, shape: tuple[int, ...]) -> Placed:
        nonlocal flattened
        outputs, weights, before, parts = shape, {}, (), []
        match layer:
            case Conv(features, kernel, strides, padding, bias):
                window = (kernel, kernel, shape[-1])
                weights["kernel"] = normal(*window, features, deviation=math.sqrt(2 / math.prod(window)))
                if bias:
                    weights["bias"] = normal(features, deviation=0.1)
                outputs = (*_places(shape, kernel, strides, padding), features)
            case Dense(features):
                weights["kernel"] = normal(shape[-1], features, deviation=math.sqrt(2 / shape[-1]))
                weights["bias"] = normal(features, deviation=0.1)
                outputs = (features,)
                before, flattened = flattened, ()
            case BatchNorm():
                channels = shape[-1]
                weights["scale"] = normal(channels, mean=1, deviation=0.1)
                weights["bias"] = normal(channels, deviation=0.1)
                weights["mean"] = normal(channels, deviation=0.1)
                weights["var"] = np.exp(normal(channels, deviation=0.1))
            case MaxPool(window, strides, padding):
                outputs = (*_places(shape, window, strides, padding), shape[-1])
            case GlobalAvgPool():
                outputs = shape[-1:]
            case Flatten():
                outputs, flattened = (math.prod(shape),), shape
            case Residual(main, shortcut):
                parts = [visit(main, shape), visit(shortcut, shape)]
                outputs = parts[0].outputs
                if isinstance(main[-1], BatchNorm):
                    parts[0].parts[-1].weights["scale"] *= _DAMPING
            case Relu():
                pass
            case _:
                for part in layer:
                    parts.append(visit(part, outputs))
                    outputs = parts[-1].outputs
        kind = type(layer).__name__.lower()
        if weights:
            counts[kind] += 1
        name = f"{kind}{counts[kind]}"
        return Placed(layer, name, shape, outputs, weights, before, tuple(parts))

    return visit(layer, tuple(shape))


def leaves(placed: Placed) -> list[Placed]:
    """Lists the layers with weights, the main path of a Residual before its shortcut."""
    if placed.weights:
        return [placed]
    return [leaf for part in placed.parts for leaf in leaves(part)]


def count_parameters(placed: Placed) -> int:
    """Counts what training changes: everything but the running moments."""
    return sum(array.size for leaf in leaves(placed) for array in parameters(leaf).values())


def parameters(placed: Placed) -> dict[str, np.ndarray]:
    """Returns a layer's weights without its running moments."""
    return {name: array for name, array in placed.weights.items() if name not in ("mean", "var")}


def running_moments(placed: Placed) -> dict[str, np.ndarray]:
    """Returns a BatchNorm's running moments; nothing for other layers."""
    return {name: array for name, array in placed.weights.items() if name in ("mean", "var")}


def channels_first(images: np.ndarray) -> np.ndarray:
    """Moves the channels of `(batch, height, width, channels)` before the pixels; leaves flat inputs alone."""
    return np.ascontiguousarray(np.moveaxis(images, -1, 1))


def channels_first_kernel(placed: Placed) -> np.ndarray:
    """Returns a kernel as `(features, channels, height, width)` or `(features, inputs)`, as PyTorch and Equinox do.

    The inputs of a Dense after a Flatten are put into the order in which channels-first images are flattened.
    """
    kernel = placed.weights["kernel"]
    if kernel.ndim == 4:
        return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    if placed.flattened:
        kernel = np.moveaxis(kernel.reshape(*placed.flattened, -1), 2, 0).reshape(kernel.shape)
    return np.ascontiguousarray(kernel.T)


def _places(shape: tuple[int, ...], window: int, strides: int, padding: int) -> tuple[int, ...]:
    return tuple((size + 2 * padding - window) // strides + 1 for size in shape[:-1])
