"""Winograd along both axes of an image: 4 by 4 outputs of a 3 by 3 window with 36 products instead of 144.

    Y = Aᵀ [(G k Gᵀ) ⊙ (Bᵀ X B)] A        X: 6 × 6 pixels, k: 3 × 3 weights, Y: a tile of 4 × 4 outputs

With `X` and `k` of many channels, `⊙` is 36 products of matrices: of all tiles' pixels at a point with the point's
weights. The transforms go along one axis after the other, over whole rows of channels. Smaller tiles, of 4 by 2 or
2 by 2 outputs, take more products and smaller kernels, and leave less of a small image's last tiles idle.

A kernel turned around (flipped, as the gradient in the input needs it) sees of a tile what the kernel sees of the tile
turned around. So the tiles' transforms are turned instead, and both directions share one transformed kernel.

Reference: Lavin & Gray 2015, arXiv 1509.09308, section 4; the matrices are those of `fnn.ops.cpu.winograd`.
"""

import math

import jax
import numpy as np
from jax import lax

from fnn.ops.cpu.images import pad, row_major
from fnn.ops.cpu.winograd import combine_taps, contract, missing, tiles_of, transforms
from fnn.ops.geometry import Geometry

Tile = tuple[int, int]
"""How many outputs a tile has down and across."""

TILES: dict[str, Tile] = {"winograd of 4 by 4": (4, 4), "winograd of 4 by 2": (4, 2), "winograd of 2 by 2": (2, 2)}
"""The tiles of each way that has them."""


def allows(geometry: Geometry) -> bool:
    """Whether this is a 3 by 3 window at stride 1, without dilation or groups."""
    plain = geometry.strides == geometry.dilation == (1, 1) and geometry.groups == 1
    return plain and geometry.window == (3, 3)


def points(tile: Tile) -> int:
    """Returns how many products a tile takes."""
    return math.prod(outputs + 2 for outputs in tile)


def points_of(geometry: Geometry, tile: Tile) -> int:
    """Returns how many points there are in the tiles of one image, each a product of vectors."""
    return points(tile) * math.prod(_counts(geometry, tile))


def transform_input(x: jax.Array, geometry: Geometry, tile: Tile, turned: bool = False) -> jax.Array:
    """`Bᵀ X B` of an image's tiles, or of the tiles turned around: `(points, batch · tiles, channels)`."""
    more = _missing(geometry, tile)
    x = pad(x, tuple((low, high + m) for (low, high), m in zip(geometry.padding, more, strict=True)))
    down, across = (transforms(outputs).input for outputs in tile)
    if turned:
        down, across = down[:, ::-1], across[:, ::-1]
    # What either pass reads again and again is little enough for the second cache: a row's pixels, whose points lie
    # beside each other, and of all rows one such point.
    rows = row_major(combine_taps(x, across, along=2, step=tile[1], to=3))
    made = combine_taps(rows, down, along=2, step=tile[0], to=1, order=(3, 0, 1, 2, 4))
    return row_major(made).reshape(points(tile), -1, x.shape[-1])


def transform_kernel(kernel: jax.Array, tile: Tile) -> jax.Array:
    """`G k Gᵀ`: `(points, channels, features)`."""
    return _multiply(_kernel_matrix(tile), kernel.reshape(-1, *kernel.shape[-2:]))


def transform_kernel_back(gradients: jax.Array, tile: Tile) -> jax.Array:
    """From the gradients of the transformed kernel, `(points, channels, features)`, to the kernel's."""
    return _multiply(_kernel_matrix(tile).T, gradients).reshape(3, 3, *gradients.shape[-2:])


def transform_output(products: jax.Array, geometry: Geometry, tile: Tile, turned: bool = False) -> jax.Array:
    """Joins the products, `(points, batch · tiles, features)`, to the output, whose tiles may be turned around."""
    down, across = (transforms(outputs).output for outputs in tile)
    if turned:
        down, across = down[::-1], across[::-1]
    counts, features = _counts(geometry, tile), products.shape[-1]
    y = row_major(products.reshape(tile[1] + 2, tile[0] + 2, -1, *counts, features))
    y = contract(row_major(contract(y, down, axis=1, to=3)), across, axis=0, to=4)
    y = y.reshape(-1, counts[0] * tile[0], counts[1] * tile[1], features)
    return pad(y, tuple((0, -more) for more in _missing(geometry, tile)))


def transform_output_back(y: jax.Array, geometry: Geometry, tile: Tile) -> jax.Array:
    """From an output's gradient, whose tiles do not overlap, to the products': `(points, batch · tiles, features)`."""
    down, across = (transforms(outputs).output.T for outputs in tile)
    y = row_major(pad(y, tuple((0, more) for more in _missing(geometry, tile))))
    (high, wide), features = _counts(geometry, tile), y.shape[-1]
    rows = row_major(contract(y.reshape(-1, high * tile[0], wide, tile[1], features), across, axis=3, to=3))
    columns = rows.reshape(-1, high, tile[0], *rows.shape[2:])
    made = contract(columns, down, axis=3, to=1, order=(4, 0, 1, 2, 3, 5))
    return row_major(made).reshape(points(tile), -1, features)


def _counts(geometry: Geometry, tile: Tile) -> tuple[int, int]:
    """Returns how many tiles cover the places down and across."""
    return tiles_of(geometry, 0, tile[0]), tiles_of(geometry, 1, tile[1])


def _missing(geometry: Geometry, tile: Tile) -> tuple[int, int]:
    """`missing` along both axes."""
    return missing(geometry, 0, tile[0]), missing(geometry, 1, tile[1])


def _kernel_matrix(tile: Tile) -> np.ndarray:
    """`G k Gᵀ` as one matrix, `(points, weights)`."""
    down, across = (transforms(outputs).kernel for outputs in tile)
    return np.einsum("qj,pi->qpij", across, down).reshape(-1, 9)


def _multiply(matrix: np.ndarray, a: jax.Array) -> jax.Array:
    """`(n, k)` times `(k, …)`: a product that XLA has a library for, faster than a sum and nothing to compile."""
    return lax.dot_general(matrix.astype(a.dtype), a, (((1,), (0,)), ((), ())))
