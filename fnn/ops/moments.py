"""Means and variances that do not lose their digits."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def widen(x: jax.Array) -> jax.Array:
    """Returns `x` in at least float32, in which sums over many values are taken.

    Raises:
      TypeError: if `x` is complex, whose imaginary part would be lost.
    """
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise TypeError(f"expected real numbers, got {x.dtype} of shape {x.shape}.")
    narrow = not jnp.issubdtype(x.dtype, jnp.floating) or jnp.finfo(x.dtype).bits < 32
    return x.astype(jnp.float32) if narrow else x


def moments(x: jax.Array, axes: Sequence[int]) -> tuple[jax.Array, jax.Array]:
    """Returns mean and biased variance of `x` over `axes`, which stay as axes of length 1.

    Computed in at least float32, the variance from the centred values: the mean of squares minus the square of the
    mean would cancel where the mean is large.
    """
    x = widen(x)
    mean = jnp.mean(x, axes, keepdims=True)
    var = jnp.mean(jnp.square(x - mean), axes, keepdims=True)
    return mean, var
