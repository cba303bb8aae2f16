"""Layers that make images smaller: windows reduced to one value, every n-th pixel, or the whole image at once."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from fnn import expect, ops
from fnn.layer import Layer, parameterless
from fnn.layers.window import RANK_HINT, PerAxis, Placed
from fnn.layers.window import window as sliding


def MaxPool(window: PerAxis, *, strides: PerAxis | None = None, padding: ops.Padding = "VALID") -> Layer:
    """The largest value under each window.

    Maps `(batch, *spatial, channels)` to `(batch, *places, channels)` with 1, 2 or 3 spatial axes.

    Args:
      window: the window's size, an int or one for each spatial axis; so are `strides`.
      strides: steps between windows; by default the window's size, so that windows do not overlap.
      padding: `"SAME"`, `"VALID"`, an int or (low, high) pairs. Padding never wins.

    Raises:
      ValueError: if an argument is out of range, or a window would hold nothing but padding; when initialized or
        applied, if `x` has the wrong rank or the window is larger than the padded input.
    """
    return _pool(
        "MaxPool", "max_pool", window, strides, padding, lambda x, at: ops.max_pool(x, at.size, at.strides, at.padding)
    )


def SumPool(window: PerAxis, *, strides: PerAxis | None = None, padding: ops.Padding = "VALID") -> Layer:
    """The sum of the values under each window. Arguments and errors as `MaxPool`'s; padding counts as zero."""

    def reduce(x: jax.Array, at: Placed) -> jax.Array:
        return ops.sum_pool(ops.widen(x), at.size, at.strides, at.padding).astype(x.dtype)

    return _pool("SumPool", "sum_pool", window, strides, padding, reduce)


def AvgPool(
    window: PerAxis, *, strides: PerAxis | None = None, padding: ops.Padding = "VALID", count_padding: bool = False
) -> Layer:
    """The average of the values under each window. Arguments and errors as `MaxPool`'s, and one more.

    Args:
      window: see `MaxPool`.
      strides: see `MaxPool`.
      padding: see `MaxPool`.
      count_padding: whether padding counts as zeros to be averaged. By default it does not: a window at the border
        averages the pixels that are there. PyTorch's `AvgPool2d` counts it by default.
    """

    def reduce(x: jax.Array, at: Placed) -> jax.Array:
        total = ops.sum_pool(ops.widen(x), at.size, at.strides, at.padding)
        if count_padding or not any(map(any, at.padding)):
            return (total / math.prod(at.size)).astype(x.dtype)
        ones = jnp.ones((1, *x.shape[1:-1], 1), total.dtype)
        return (total / ops.sum_pool(ones, at.size, at.strides, at.padding)).astype(x.dtype)

    return _pool("AvgPool", "avg_pool", window, strides, padding, reduce)


def Subsample(stride: PerAxis = 2) -> Layer:
    """Every `stride`-th pixel along each spatial axis, beginning with the first.

    Maps `(batch, *spatial, channels)` to `(batch, *places, channels)`, `places = ceil(size / stride)`.

    Raises:
      ValueError: if `stride` is not positive; when initialized or applied, if `x` has the wrong rank.
    """
    frame = sliding("Subsample", 1, "window", stride, "VALID", strides_name="stride")

    def function(x: jax.Array) -> jax.Array:
        steps = frame.place(x.shape[1:-1]).strides
        return x[(slice(None), *(slice(None, None, step) for step in steps))]

    return parameterless(frame.check, function, name="subsample")


def _check_image(x: Any) -> jax.Array:
    x = expect.array(x, "GlobalAvgPool", "(batch, height, width, channels)", (3, 4, 5), RANK_HINT)
    return expect.pixels(x, "GlobalAvgPool")


def _mean_over_places(x: jax.Array) -> jax.Array:
    return jnp.mean(ops.widen(x), axis=range(1, x.ndim - 1)).astype(x.dtype)


GlobalAvgPool = parameterless(_check_image, _mean_over_places, name="global_avg_pool")
"""The average of each channel over all spatial axes: `(batch, *spatial, channels)` becomes `(batch, channels)`.

Reference: Lin et al. 2013, arXiv 1312.4400, section 3.2.
"""

Flatten = parameterless(
    lambda x: expect.array(x, "Flatten", "(batch, …)", range(1, 9)),
    lambda x: x.reshape(x.shape[0], math.prod(x.shape[1:])),
    name="flatten",
)
"""All axes but the first as one, in row-major order: `(batch, height, width, channels)` becomes
`(batch, height · width · channels)`.
"""


def _pool(
    layer: str,
    name: str,
    size: PerAxis,
    strides: PerAxis | None,
    padding: ops.Padding,
    reduce: Callable[[jax.Array, Placed], jax.Array],
) -> Layer:
    """Makes the layer that all windowed pools share: checks around one reduction."""
    frame = sliding(layer, size, "window", size if strides is None else strides, padding)

    def place(sizes: tuple[int, ...]) -> Placed:
        at = frame.slide(sizes)
        if any(max(pair) >= extent for pair, extent in zip(at.padding, at.extent, strict=True)):
            raise ValueError(
                f"{layer} expects less padding than its window {at.size} on each side, got {at.padding}: "
                "a window of nothing but padding has no value."
            )
        return at

    def check(x: Any) -> jax.Array:
        x = frame.check(x)
        place(x.shape[1:-1])
        return x

    return parameterless(check, lambda x: reduce(x, place(x.shape[1:-1])), name=name)
