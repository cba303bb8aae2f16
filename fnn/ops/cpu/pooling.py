"""Pooling on the CPU, where XLA's own window reductions and their gradients are slow.

A maximum or a sum over a window is taken one axis after another, over shifted views of the image. A window's gradient
needs to know where its maximum stands: found anew from the image, in one pass, which costs less than it would to keep.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnn.ops.cpu.images import LINE, pad, row_major, shifts
from fnn.ops.geometry import Geometry


def max_pool(x: jax.Array, *, geometry: Geometry) -> jax.Array:
    """The largest value under each window."""
    return _along_each_axis(pad(x, geometry.padding, _lowest(x)), geometry, jnp.maximum)


def _lowest(x: jax.Array) -> float:
    """What padding holds, so that it never wins."""
    return -np.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min


def sum_pool(x: jax.Array, *, geometry: Geometry) -> jax.Array:
    """The sum under each window."""
    return _along_each_axis(pad(x, geometry.padding), geometry, jnp.add)


def sum_pool_cotangent(y: jax.Array, *, geometry: Geometry) -> jax.Array:
    """Each entry of `y` everywhere under its window."""
    if _tiles(geometry):
        return _untile(jnp.broadcast_to(_expand(y), _tiled_shape(y, geometry)), geometry)
    x = jax.typeof(y).update(shape=(y.shape[0], *geometry.sizes, y.shape[-1]))
    return jax.linear_transpose(functools.partial(sum_pool, geometry=geometry), x)(y)[0]


def max_pool_tangent(x: jax.Array, tangent: jax.Array, *, geometry: Geometry) -> jax.Array:
    """What of the tangent stands where the maxima are."""
    first = _first_maximum(x, geometry)
    total = jnp.zeros(first.shape, tangent.dtype)
    for position, view in enumerate(shifts(pad(tangent, geometry.padding), geometry)):
        total = jnp.where(first == position, view, total)
    return total


def max_pool_cotangent(x: jax.Array, y: jax.Array, *, geometry: Geometry) -> jax.Array:
    """Each entry of `y` where its window's maximum is."""
    # Made once and kept: XLA would find each window's maximum anew for each of its entries; and of few channels, which
    # are no vectors, each entry of the image anew for each view of it.
    x = x if y.shape[-1] % LINE == 0 else row_major(x)
    first = lax.optimization_barrier(row_major(_first_maximum(x, geometry)))
    if _tiles(geometry):
        positions = np.arange(math.prod(geometry.window), dtype=first.dtype)
        positions = positions.reshape(1, *(n for w in geometry.window for n in (1, w)), 1)
        tiled = jnp.where(_expand(first) == positions, _expand(y), np.zeros((), y.dtype))
        return _untile(tiled, geometry)
    chosen = [jnp.where(first == p, y, np.zeros((), y.dtype)) for p in range(math.prod(geometry.window))]
    padded = jax.typeof(y).update(shape=(y.shape[0], *geometry.padded, y.shape[-1]))
    spread = jax.linear_transpose(lambda padded: shifts(padded, geometry), padded)(chosen)[0]
    return pad(spread, [(-low, -high) for low, high in geometry.padding])


def _first_maximum(x: jax.Array, geometry: Geometry) -> jax.Array:
    """The position in its window, in the kernel's order, of each window's first maximum; the last, where it is NaN."""
    views = shifts(pad(x, geometry.padding, -np.inf), geometry)
    largest = functools.reduce(jnp.maximum, views)
    last = len(views) - 1
    first = jnp.full(largest.shape, last, np.int8 if last < 128 else np.int32)
    for position in reversed(range(last)):
        first = jnp.where(views[position] == largest, np.array(position, first.dtype), first)
    return first


def _along_each_axis(x: jax.Array, geometry: Geometry, combine: Callable[..., jax.Array]) -> jax.Array:
    for axis in range(geometry.rank):
        along = Geometry(
            tuple(x.shape[1:-1]),
            tuple(w if i == axis else 1 for i, w in enumerate(geometry.window)),
            tuple(s if i == axis else 1 for i, s in enumerate(geometry.strides)),
            ((0, 0),) * geometry.rank,
            (1,) * geometry.rank,
        )
        x = lax.optimization_barrier(functools.reduce(combine, shifts(x, along)))
    return x


def _tiles(geometry: Geometry) -> bool:
    """Whether windows stand side by side: every pixel is under one window, or cut off at the end."""
    return geometry.window == geometry.strides and not any(map(any, geometry.padding))


def _expand(y: jax.Array) -> jax.Array:
    """`(batch, h, w, channels)` to `(batch, h, 1, w, 1, channels)`."""
    return y.reshape(y.shape[0], *(n for size in y.shape[1:-1] for n in (size, 1)), y.shape[-1])


def _tiled_shape(y: jax.Array, geometry: Geometry) -> tuple[int, ...]:
    pairs = zip(y.shape[1:-1], geometry.window, strict=True)
    return (y.shape[0], *(n for pair in pairs for n in pair), y.shape[-1])


def _untile(tiled: jax.Array, geometry: Geometry) -> jax.Array:
    """`(batch, h, window, w, window, channels)` to the image, with zeros where the windows end before it does."""
    covered = [p * w for p, w in zip(geometry.places, geometry.window, strict=True)]
    image = tiled.reshape(tiled.shape[0], *covered, tiled.shape[-1])
    return pad(image, [(0, n - c) for n, c in zip(geometry.sizes, covered, strict=True)])
