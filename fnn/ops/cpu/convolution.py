"""Convolution and its gradients on the CPU."""

import jax
import jax.numpy as jnp
import os
from fnn.ops import xla
from fnn.ops.cpu import kernel_ways, phases, ways, winograd
from fnn.ops.geometry import Geometry


def _pick(geometry, shape_in, out, exact, kernel=False):
    f = os.environ.get("FNN_KWAY" if kernel else "FNN_WAY")
    if f:
        if "winograd" in f and (winograd.axis_of(geometry) is None or geometry.groups != 1):
            f = "rows" if kernel else "direct"
        return f
    return "direct"


def convolve(x: jax.Array, kernel: jax.Array, *, geometry: Geometry, exact: bool) -> jax.Array:
    way = _pick(geometry, x.shape, kernel.shape[-1], exact)
    return ways.WAYS[way](x, kernel, geometry=geometry)


def input_gradient(y: jax.Array, kernel: jax.Array, *, geometry: Geometry, exact: bool) -> jax.Array:
    return phases.input_gradient(y, kernel, geometry, lambda y, k, geometry: convolve(y, k, geometry=geometry, exact=exact))


def kernel_gradient(x: jax.Array, y: jax.Array, *, geometry: Geometry, exact: bool) -> jax.Array:
    way = _pick(geometry, x.shape, y.shape[-1], exact, True)
    return kernel_ways.WAYS[way](x, y, geometry=geometry)
