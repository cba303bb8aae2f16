"""Winograd along both axes of an image: 4 by 4 outputs of a 3 by 3 window with 36 products instead of 144.

    Y = Aᵀ [(G k Gᵀ) ⊙ (Bᵀ X B)] A        X: 6 × 6 pixels, k: 3 × 3 weights, Y: 4 × 4 outputs

With `X` and `k` of many channels, `⊙` is 36 products of matrices: of all tiles' pixels at a point with the point's
weights. The transforms go along one axis after the other, over whole rows of channels.

A kernel turned around (flipped, as the gradient in the input needs it) sees of a tile what the kernel sees of the tile
turned around. So the tiles' transforms are turned instead, and both directions share one transformed kernel.

Reference: Lavin & Gray 2015, arXiv 1509.09308, section 4; the matrices are those of `fnn.ops.cpu.winograd`.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnn.ops.cpu.images import pad, row_major
from fnn.ops.cpu.winograd import combine_along, missing, taps, tiles_of, transforms
from fnn.ops.geometry import Geometry

OUTPUTS = 4
"""How many outputs a tile has along each axis."""
POINTS = (OUTPUTS + 2) ** 2
"""How many products a tile takes."""
_OUTPUT, _KERNEL, _INPUT = transforms(OUTPUTS)
_TURNED_OUTPUT, _TURNED_INPUT = _OUTPUT[::-1], _INPUT[:, ::-1]


def allows(geometry: Geometry) -> bool:
    """Whether this is a 3 by 3 window at stride 1, without dilation or groups."""
    plain = geometry.strides == geometry.dilation == (1, 1) and geometry.groups == 1
    return plain and geometry.window == (3, 3)


def tiles(geometry: Geometry) -> tuple[int, int]:
    """Returns how many tiles cover the places along each axis."""
    return tiles_of(geometry, 0, OUTPUTS), tiles_of(geometry, 1, OUTPUTS)


def points_of(geometry: Geometry) -> int:
    """Returns how many points there are in the tiles of one image, each a product of vectors."""
    return POINTS * math.prod(tiles(geometry))


def transform_input(x: jax.Array, geometry: Geometry, turned: bool = False) -> jax.Array:
    """`Bᵀ X B` of an image's tiles, or of the tiles turned around: `(points, batch · tiles, channels)`."""
    padding = ((low, high + more) for (low, high), more in zip(geometry.padding, _missing(geometry), strict=True))
    x = _to_points(pad(x, tuple(padding)), _TURNED_INPUT if turned else _INPUT)
    return x.reshape(POINTS, -1, x.shape[-1])


def transform_kernel(kernel: jax.Array) -> jax.Array:
    """`G k Gᵀ`: `(points, channels, features)`."""
    across = row_major(_along(kernel, 1, 1, _KERNEL))
    return _along(across, 0, 1, _KERNEL).reshape(POINTS, *kernel.shape[-2:])


def transform_kernel_back(gradients: jax.Array) -> jax.Array:
    """From the gradients of the transformed kernel, `(points, channels, features)`, to the kernel's."""
    gradients = gradients.reshape(OUTPUTS + 2, OUTPUTS + 2, *gradients.shape[-2:])
    return _along(row_major(_along(gradients, 0, 1, _KERNEL.T)), 0, 0, _KERNEL.T)


def transform_output(products: jax.Array, geometry: Geometry, turned: bool = False) -> jax.Array:
    """Joins the products, `(points, batch · tiles, features)`, to the output, whose tiles may be turned around."""
    matrix = _TURNED_OUTPUT if turned else _OUTPUT
    down, across = tiles(geometry)
    y = products.reshape(OUTPUTS + 2, OUTPUTS + 2, -1, down, across, products.shape[-1])
    y = _along(row_major(_along(row_major(y), 1, 3, matrix)), 0, 4, matrix)
    y = y.reshape(-1, down * OUTPUTS, across * OUTPUTS, products.shape[-1])
    return pad(y, tuple((0, -more) for more in _missing(geometry)))


def transform_output_back(y: jax.Array, geometry: Geometry) -> jax.Array:
    """From an output's gradient to the products': `(points, batch · tiles, features)`."""
    y = _to_points(row_major(pad(y, tuple((0, more) for more in _missing(geometry)))), _OUTPUT.T)
    return y.reshape(POINTS, -1, y.shape[-1])


def _missing(geometry: Geometry) -> list[int]:
    """`missing` along both axes."""
    return [missing(geometry, axis, OUTPUTS) for axis in range(2)]


def _to_points(a: jax.Array, matrix: np.ndarray) -> jax.Array:
    """Applies `matrix` to the tiles of images, across and then down: these points come first, in this order.

    What either pass reads again and again is little enough for the second cache: a row's pixels, whose points lie
    beside each other, and of all rows one such point.
    """
    width = matrix.shape[1]
    rows = row_major(combine_along(3, matrix, [jnp.expand_dims(tap, 3) for tap in taps(a, 2, width, OUTPUTS)]))
    columns = (jnp.moveaxis(tap, 3, 0) for tap in taps(rows, 1, width, OUTPUTS))
    return row_major(combine_along(1, matrix, [jnp.expand_dims(tap, 1) for tap in columns]))


def _along(a: jax.Array, axis: int, to: int, matrix: np.ndarray) -> jax.Array:
    """Applies `matrix` along an axis, and puts what it gives at the axis `to`."""
    points = (lax.index_in_dim(a, i, axis, keepdims=False) for i in range(a.shape[axis]))
    return combine_along(to, matrix, [jnp.expand_dims(point, to) for point in points])
