"""Convolution and the matrix product, with their gradients, as XLA has them.

What GPUs and TPUs run, and what the ways of the CPU are tested against.
"""

import jax
from jax import lax

from fnn.ops.geometry import Geometry

_LAYOUTS = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NHWDC", "HWDIO", "NHWDC")}


def convolve(x: jax.Array, kernel: jax.Array, *, geometry: Geometry) -> jax.Array:
    """`(batch, *sizes, channels)` and `(*window, channels / groups, features)` to `(batch, *places, features)`."""
    return lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        geometry.padding,
        rhs_dilation=geometry.dilation,
        dimension_numbers=_LAYOUTS[geometry.rank],
        feature_group_count=geometry.groups,
    )


def input_gradient(y: jax.Array, kernel: jax.Array, *, geometry: Geometry) -> jax.Array:
    """`convolve`'s transpose in `x`: `(batch, *places, features)` to `(batch, *sizes, channels)`."""
    channels = kernel.shape[-2] * geometry.groups
    x = jax.typeof(y).update(shape=(y.shape[0], *geometry.sizes, channels))
    return jax.linear_transpose(lambda x: convolve(x, kernel, geometry=geometry), x)(y)[0]


def kernel_gradient(x: jax.Array, y: jax.Array, *, geometry: Geometry) -> jax.Array:
    """`convolve`'s transpose in the kernel: `(*window, channels / groups, features)`."""
    shape = (*geometry.window, x.shape[-1] // geometry.groups, y.shape[-1])
    kernel = jax.typeof(x).update(shape=shape)
    return jax.linear_transpose(lambda kernel: convolve(x, kernel, geometry=geometry), kernel)(y)[0]


def product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """`(…, inputs)` and `(inputs, features)` to `(…, features)`."""
    return lax.dot_general(x, matrix, (((x.ndim - 1,), (0,)), ((), ())))


def product_gradient(y: jax.Array, matrix: jax.Array) -> jax.Array:
    """`product`'s transpose in `x`: `(…, features)` to `(…, inputs)`."""
    return lax.dot_general(y, matrix, (((y.ndim - 1,), (1,)), ((), ())))


def matrix_gradient(x: jax.Array, y: jax.Array) -> jax.Array:
    """`product`'s transpose in the matrix: `(inputs, features)`."""
    axes = tuple(range(x.ndim - 1))
    return lax.dot_general(y, x, ((axes, axes), ((), ()))).T
