"""Pooling over the spatial axes of channels-last arrays."""

from collections.abc import Sequence

import jax
import numpy as np
from jax import lax


def max_pool(
    x: jax.Array, window: Sequence[int], strides: Sequence[int], padding: Sequence[tuple[int, int]]
) -> jax.Array:
    """Returns the largest value under each window of `x`, `(batch, *spatial, channels)`. Padding never wins."""
    # The initial value is a NumPy number: JAX differentiates only reductions whose initial value it can read.
    return lax.reduce_window(x, np.array(-np.inf, x.dtype), lax.max, *_whole(window, strides, padding))


def sum_pool(
    x: jax.Array, window: Sequence[int], strides: Sequence[int], padding: Sequence[tuple[int, int]]
) -> jax.Array:
    """Returns the sum of the values under each window of `x`, `(batch, *spatial, channels)`."""
    return lax.reduce_window(x, np.array(0, x.dtype), lax.add, *_whole(window, strides, padding))


def _whole(
    window: Sequence[int], strides: Sequence[int], padding: Sequence[tuple[int, int]]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Adds the batch and channel axes, over which nothing slides."""
    return (1, *window, 1), (1, *strides, 1), ((0, 0), *padding, (0, 0))
