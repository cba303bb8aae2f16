"""Convolution and its gradients on the CPU, each in the way that is estimated to take the least time there."""

from functools import partial

import jax
import jax.numpy as jnp

from fnn.ops.cpu import costs, kernel_ways, phases, tiles, ways
from fnn.ops.geometry import Geometry


def convolve(
    x: jax.Array, kernel: jax.Array, *, geometry: Geometry, exact: bool, unturned: jax.Array | None = None
) -> jax.Array:
    """Computes what `fnn.ops.xla.convolve` does; `unturned` is as `fnn.ops.cpu.phases.input_gradient` hands it over."""
    if not _rewritable(x):
        return ways.direct(x, kernel, geometry=geometry)
    wide = _widen(x)
    problem = costs.Problem(geometry, x.shape[0], x.shape[-1], kernel.shape[-1])
    way = costs.fastest("convolution", problem, wide.dtype.itemsize, exact)
    if way in tiles.TILES and unturned is not None:
        # XLA then shares the transformed kernel with the convolution whose gradient this is, and turns no kernel.
        tile = tiles.TILES[way]
        return ways.by_tiles(wide, _widen(unturned), geometry=geometry, tile=tile, turned=True).astype(x.dtype)
    return ways.WAYS[way](wide, _widen(kernel), geometry=geometry).astype(x.dtype)


def input_gradient(y: jax.Array, kernel: jax.Array, *, geometry: Geometry, exact: bool) -> jax.Array:
    """Computes what `fnn.ops.xla.input_gradient` does, as convolutions that each choose their way."""
    return phases.input_gradient(y, kernel, geometry, partial(convolve, exact=exact))


def kernel_gradient(x: jax.Array, y: jax.Array, *, geometry: Geometry, exact: bool) -> jax.Array:
    """Computes what `fnn.ops.xla.kernel_gradient` does."""
    if not _rewritable(x):
        return kernel_ways.direct(x, y, geometry=geometry)
    wide, wide_y = _widen(x), _widen(y)
    problem = costs.Problem(geometry, x.shape[0], x.shape[-1], y.shape[-1])
    way = costs.fastest("kernel gradient", problem, wide.dtype.itemsize, exact)
    return kernel_ways.WAYS[way](wide, wide_y, geometry=geometry).astype(x.dtype)


def _rewritable(x: jax.Array) -> bool:
    """Whether there is something to gain, and to judge it by.

    Not for integers and complex numbers, nor for no images at all; nor where `jax.export` leaves the batch open, for
    the ways are chosen, and some of them written, for one size.
    """
    known = all(isinstance(size, int) for size in x.shape)
    return known and bool(jnp.issubdtype(x.dtype, jnp.floating)) and x.size > 0


def _widen(x: jax.Array) -> jax.Array:
    """Half precisions are computed in float32, in which the CPU is faster, and rounded once at the end."""
    return x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x
