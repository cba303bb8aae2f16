"""Winograd's minimal filtering: a window of three at stride 1 with half or two thirds of the products.

Along one spatial axis, `m` neighbouring outputs of a window of 3 need `m + 2` products where the sum needs `3 m`:

    y = Aᵀ [(G k) · (Bᵀ x)]        x: m + 2 inputs, k: 3 weights, y: m outputs

Each of the `m + 2` products here is itself a convolution, over the other axes, or a matrix product where there are no
others. The transforms are sums of whole rows, which memory delivers at full speed. `fnn.ops.cpu.tiles` does the same
along two axes.

Reference: Lavin & Gray 2015, arXiv 1509.09308; the matrices by Toom and Cook's construction at the points of
Barabasz et al. 2018, arXiv 1803.10986, which round less than 0, ±1, ±2.
"""

import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnn.ops.cpu.alike import as_data, with_data
from fnn.ops.cpu.images import pad
from fnn.ops.geometry import Geometry

_POINTS = {2: (0, 1, -1), 4: (0, 1, -1, Fraction(1, 2), -2)}
"""Where the polynomials are evaluated, beside infinity, for each number of outputs."""


class Transforms(NamedTuple):
    """The three matrices of F(m, 3)."""

    output: np.ndarray
    """`Aᵀ`, `(m, m + 2)`."""
    kernel: np.ndarray
    """`G`, `(m + 2, 3)`."""
    input: np.ndarray
    """`Bᵀ`, `(m + 2, m + 2)`."""


@functools.cache
def transforms(outputs: int) -> Transforms:
    """Returns the matrices that compute `outputs` values of a window of 3 at a time.

    Multiplying two polynomials is evaluating both at `outputs + 2` points (infinity is one), multiplying, and
    interpolating. The filter is the transpose of that: so `Aᵀ` and `G` evaluate, `Bᵀ` is the interpolation transposed.
    """
    points = [Fraction(p) for p in _POINTS[outputs]]
    n = len(points) + 1

    def evaluate(terms: int) -> list[list[Fraction]]:
        return [[p**power for power in range(terms)] for p in points] + [[Fraction(0)] * (terms - 1) + [Fraction(1)]]

    interpolate = _inverse(evaluate(n))
    rows = [[interpolate[j][i] for j in range(n)] for i in range(n)]
    # Denominators go from the input's matrix, which is applied most often, to the kernel's.
    scales = [np.lcm.reduce([value.denominator for value in row]) for row in rows]
    return Transforms(
        output=np.array(evaluate(outputs), float).T,
        kernel=np.array([[v / int(s) for v in row] for row, s in zip(evaluate(3), scales, strict=True)], float),
        input=np.array([[v * int(s) for v in row] for row, s in zip(rows, scales, strict=True)], float),
    )


def _inverse(matrix: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    """Inverts by elimination, without rounding."""
    n = len(matrix)
    rows = [[*row, *(Fraction(i == j) for j in range(n))] for i, row in enumerate(matrix)]
    for c in range(n):
        pivot = next(i for i in range(c, n) if rows[i][c])
        rows[c], rows[pivot] = rows[pivot], rows[c]
        rows[c] = [value / rows[c][c] for value in rows[c]]
        for i in range(n):
            if i != c:
                rows[i] = [a - rows[i][c] * b for a, b in zip(rows[i], rows[c], strict=True)]
    return [row[n:] for row in rows]


def axis_of(geometry: Geometry) -> int | None:
    """Returns the first spatial axis with a window of 3 at stride 1, without dilation, if any."""
    axes = zip(geometry.window, geometry.strides, geometry.dilation, strict=True)
    return next((i for i, along in enumerate(axes) if along == (3, 1, 1)), None)


def inner(geometry: Geometry, axis: int, tiles: int) -> Geometry:
    """Returns the geometry of each of the convolutions over the other axes."""

    def set_axis(values: tuple, value: object) -> tuple:
        return (*values[:axis], value, *values[axis + 1 :])

    return geometry._replace(
        sizes=set_axis(geometry.sizes, tiles),
        window=set_axis(geometry.window, 1),
        padding=set_axis(geometry.padding, (0, 0)),
    )


def tiles_of(geometry: Geometry, axis: int, outputs: int) -> int:
    """Returns how many tiles of `outputs` cover the places along `axis`."""
    return -(-geometry.places[axis] // outputs)


def missing(geometry: Geometry, axis: int, outputs: int) -> int:
    """Returns how many places the last tile along `axis` has beyond the last one there is."""
    return tiles_of(geometry, axis, outputs) * outputs - geometry.places[axis]


def transform_kernel(kernel: jax.Array, axis: int, outputs: int) -> list[jax.Array]:
    """`G k`: the `outputs + 2` kernels, each 1 long on `axis`."""
    return _combine(transforms(outputs).kernel, taps(kernel, axis, 3, 1))


def transform_kernel_back(gradients: Sequence[jax.Array], axis: int, outputs: int) -> jax.Array:
    """`Gᵀ`: from the gradients of the transformed kernels, each 1 long on `axis`, to the kernel's, 3 long."""
    return combine_along(axis, transforms(outputs).kernel.T, [lax.squeeze(g, [axis]) for g in gradients])


def pad_input(x: jax.Array, geometry: Geometry, axis: int, outputs: int) -> jax.Array:
    """Pads `x` along `axis` as the convolution says, and on to a whole number of tiles."""
    low, high = geometry.padding[axis]
    padding = [(0, 0)] * geometry.rank
    padding[axis] = (low, high + missing(geometry, axis, outputs))
    return pad(x, padding)


def pad_output(y: jax.Array, geometry: Geometry, axis: int, outputs: int) -> jax.Array:
    """Pads an output's gradient along `axis` to a whole number of tiles."""
    padding = [(0, 0)] * geometry.rank
    padding[axis] = (0, missing(geometry, axis, outputs))
    return pad(y, padding)


def transform_input(x: jax.Array, axis: int, outputs: int) -> list[jax.Array]:
    """`Bᵀ x` of a padded `x`: `outputs + 2` images, one row of each for each tile."""
    return _combine(transforms(outputs).input, taps(x, axis + 1, outputs + 2, outputs))


def transform_output(products: Sequence[jax.Array], axis: int, outputs: int) -> jax.Array:
    """`Aᵀ`: joins the products to the output, a whole number of tiles along `axis`."""
    along = axis + 2  # after batch and tiles
    y = combine_along(along, transforms(outputs).output, products)
    return y.reshape(*y.shape[: axis + 1], -1, *y.shape[axis + 3 :])


def transform_output_back(y: jax.Array, axis: int, outputs: int) -> list[jax.Array]:
    """`A`: from a padded output's gradient to the products'."""
    return _combine(transforms(outputs).output.T, taps(y, axis + 1, outputs, outputs))


def taps(a: jax.Array, axis: int, width: int, step: int) -> list[jax.Array]:
    """The first, second, … of the `width` entries along `axis` of every tile, where one begins each `step` entries."""
    stop = a.shape[axis] - width + 1
    return [lax.slice_in_dim(a, i, i + stop, step, axis) for i in range(width)]


def _combine(matrix: np.ndarray, arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """The matrix product of `matrix` with a column of arrays, written as sums: an array for each row.

    With zeros, and the coefficients as data: so all rows are the same code.
    """
    return [_weighted_sum(as_data(row, arrays[0].dtype), arrays) for row in matrix]


@jax.jit  # traced once for all rows
def _weighted_sum(factors: jax.Array, arrays: Sequence[jax.Array]) -> jax.Array:
    scaled = (a * lax.index_in_dim(factors, i, keepdims=False) for i, a in enumerate(arrays))
    return functools.reduce(jnp.add, scaled)


def combine_along(axis: int, matrix: np.ndarray, arrays: Sequence[jax.Array]) -> jax.Array:
    """The same as one array, its rows along a new axis.

    One sum, zeros included, compiles faster than its rows and a concatenation.
    """
    return _sum_along(as_data(matrix.T.ravel(), arrays[0].dtype), arrays, axis=axis, rows=len(matrix))


@functools.partial(jax.jit, static_argnames=("axis", "rows"))  # traced and lowered once for all arrays of one shape
def _sum_along(factors: jax.Array, arrays: Sequence[jax.Array], *, axis: int, rows: int) -> jax.Array:
    shape = list(arrays[0].shape)
    shape.insert(axis, rows)
    others = [i for i in range(len(shape)) if i != axis]
    scaled = []
    for i, a in enumerate(arrays):
        column = lax.slice_in_dim(factors, i * rows, (i + 1) * rows)
        scaled.append(lax.mul(lax.broadcast_in_dim(a, shape, others), lax.broadcast_in_dim(column, shape, [axis])))
    return functools.reduce(lax.add, scaled)


def combine_taps(
    a: jax.Array, matrix: np.ndarray, *, along: int, step: int, to: int, order: Sequence[int] | None = None
) -> jax.Array:
    """Applies `matrix` to the taps of every tile, and puts what it gives at the axis `to`.

    Args:
      a: what the tiles are of.
      matrix: a row for each result, a column for each tap.
      along: the axis that the tiles lie along.
      step: how far it is to the next tile.
      to: the axis of the results.
      order: how the axes of `a` are to be ordered before, if otherwise than they are.
    """
    data, a = with_data(matrix.T.ravel(), a)
    a = a if order is None else lax.transpose(a, order)
    return _sum_along(data, taps(a, along, matrix.shape[1], step), axis=to, rows=len(matrix))


def contract(a: jax.Array, matrix: np.ndarray, *, axis: int, to: int, order: Sequence[int] | None = None) -> jax.Array:
    """Applies `matrix` along an axis of an array, and puts what it gives at the axis `to`; `order` as above.

    A reduction, which XLA unrolls to the same sum: a sixth of the operations for its passes to go through.
    """
    data, a = with_data(matrix.ravel(), a)
    a = a if order is None else lax.transpose(a, order)
    return _contract(data, a, axis=axis, to=to, rows=len(matrix))


@functools.partial(jax.jit, static_argnames=("axis", "to", "rows"))  # as `_sum_along`
def _contract(factors: jax.Array, a: jax.Array, *, axis: int, to: int, rows: int) -> jax.Array:
    columns = a.shape[axis]
    matrix = lax.slice_in_dim(factors, 0, rows * columns).reshape(rows, columns)
    shape = [size for i, size in enumerate(a.shape) if i != axis]
    shape.insert(to, rows)
    last = len(shape)  # the axis to add up
    places = [i for i in range(last) if i != to]
    places.insert(axis, last)
    shape.append(columns)
    scaled = lax.mul(lax.broadcast_in_dim(a, shape, places), lax.broadcast_in_dim(matrix, shape, [to, last]))
    return lax.reduce(scaled, np.zeros((), a.dtype), lax.add, [last])
