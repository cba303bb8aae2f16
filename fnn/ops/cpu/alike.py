"""Code that XLA compiles once where it stands several times.

XLA's CPU backend makes a kernel of every fusion, which takes some 20 ms of processor time each; but one that it has met
before, it takes again. So what a convolution does at each position of its window, or at each of Winograd's points, is
written here as the same code on other data.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike

from fnn.ops.geometry import Geometry


def as_data(numbers: Sequence[float] | np.ndarray, dtype: DTypeLike) -> jax.Array:
    """Hands numbers to XLA as data, and not as part of the code: an array of them, and of one more, not to be used.

    The last one differs from the others, for XLA would write numbers that are all alike into the code.
    """
    return lax.optimization_barrier(_with_another(numbers, dtype))


def with_data(numbers: Sequence[float] | np.ndarray, a: jax.Array) -> tuple[jax.Array, jax.Array]:
    """As `as_data`, together with the array that the numbers are for.

    XLA numbers what a kernel reads in the order in which it meets it, which depends on what else there is, and takes
    another order for another kernel. What comes out of one barrier it meets in one order.
    """
    data, a = lax.optimization_barrier((_with_another(numbers, a.dtype), a))
    return data, a


def _with_another(numbers: Sequence[float] | np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Adds a number that differs from the others."""
    return np.array([*numbers, sum(map(abs, numbers)) + 1], dtype)


def shifts_alike(x: jax.Array, geometry: Geometry) -> list[jax.Array]:
    """As `fnn.ops.cpu.images.shifts`, for views that are copied one by one: one code for all positions."""
    x = lax.optimization_barrier(x)
    sizes = [x.shape[0], *geometry.span, x.shape[-1]]
    views = []
    for offset in geometry.offsets:
        data = as_data([0, *offset, 0], jnp.int32)
        starts = [lax.index_in_dim(data, i, keepdims=False) for i in range(x.ndim)]
        view = lax.dynamic_slice(x, starts, sizes, allow_negative_indices=False)
        views.append(lax.slice(view, [0] * x.ndim, sizes, [1, *geometry.strides, 1]))
    return views


def beside(views: Sequence[jax.Array]) -> jax.Array:
    """Joins what each position of the kernel sees along the channels, like a concatenation.

    XLA compiles a concatenation anew wherever it stands, but each of these copies once, if what made the views is not
    fused with them.
    """
    stacked = [jnp.expand_dims(view, -2) for view in views]
    joined = jnp.broadcast_to(stacked[0], (*views[0].shape[:-1], len(views), views[0].shape[-1]))
    for position, view in enumerate(stacked[1:], 1):
        joined = lax.optimization_barrier(joined)
        joined = lax.dynamic_update_slice_in_dim(joined, view, position, -2)
    return joined.reshape(*views[0].shape[:-1], -1)
