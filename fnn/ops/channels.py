"""Sums over everything but the channels, and their transpose.

A bias is broadcast to every pixel, so its gradient is a sum over all pixels; BatchNorm's moments are such sums too.
XLA on the CPU has a fast kernel for them, but puts a slow loop in its place when it can fuse the sum with what makes
the summands (BatchNorm's step is 3 times slower so). These two operations are each other's transposes, and hide the
summands from the fusion there. Of few channels it adds up several pixels beside each other first, because XLA's kernel
would leave most of a vector instruction idle.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad

from fnn.ops.backends import batch_as_defined, per_backend
from fnn.ops.program import leave_to_xla

_ROW = 128
"""Numbers that the sums of pixels beside each other have at most, if a pixel's own are not more."""


def channel_sum(x: jax.Array) -> jax.Array:
    """Sums `(…, channels)` to `(channels,)`."""
    return leave_to_xla(partial(_sum_p.bind, shape=x.shape), x, rank=1)


def channel_broadcast(v: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Repeats `(channels,)` to `shape`, `(…, channels)`."""
    return leave_to_xla(partial(_broadcast_p.bind, shape=shape), v, rank=len(shape))


def _plain_sum(x: jax.Array, *, shape: tuple[int, ...]) -> jax.Array:
    del shape
    return jnp.sum(x, range(x.ndim - 1))


def _hidden_sum(x: jax.Array, *, shape: tuple[int, ...]) -> jax.Array:
    if 0 in shape:
        return _plain_sum(x, shape=shape)
    beside = _pixels_beside(shape) if jnp.issubdtype(x.dtype, jnp.floating) else 1
    rows = lax.optimization_barrier(x.reshape(-1, beside * shape[-1]))
    if beside == 1:
        return jnp.sum(rows, 0)
    wide = jnp.float32 if jnp.finfo(x.dtype).bits < 32 else x.dtype  # half precisions are rounded once
    return jnp.sum(jnp.sum(rows, 0, dtype=wide).reshape(beside, -1), 0).astype(x.dtype)


def _pixels_beside(shape: tuple[int, ...]) -> int:
    """Returns how many pixels make up a row: the most that divide an image's and stay within `_ROW` numbers.

    No row has pixels of two images, which may lie on different devices.
    """
    if not all(isinstance(size, int) for size in shape):  # `jax.export` may leave the batch open
        return 1
    pixels, channels = math.prod(shape[1:-1]), shape[-1]
    return next(count for count in range(max(1, _ROW // channels), 0, -1) if pixels % count == 0)


def _plain_broadcast(v: jax.Array, *, shape: tuple[int, ...]) -> jax.Array:
    return jnp.broadcast_to(v.reshape((1,) * (len(shape) - 1) + v.shape), shape)


_sum_p = batch_as_defined(per_backend("fnn_channel_sum", ("shape",), _plain_sum, _hidden_sum))
_broadcast_p = batch_as_defined(per_backend("fnn_channel_broadcast", ("shape",), _plain_broadcast, _plain_broadcast))
ad.deflinear2(_sum_p, lambda ct, _, *, shape: [channel_broadcast(ct, shape)])
ad.deflinear2(_broadcast_p, lambda ct, _, **_shape: [channel_sum(ct)])
