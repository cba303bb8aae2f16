"""The gradient of a matrix product in its matrix on the CPU."""

import math

import jax

from fnn.ops.cpu.images import transposed
from fnn.ops.xla import matrix_gradient as plain

_MOST_FEATURES = 256
"""With more features than this, the product takes so long that moving its operand no longer matters."""
_ALIASED = 512
"""Bytes: where rows are a multiple of so many long, their columns lie in at most an eighth of the cache's sets."""


def matrix_gradient(x: jax.Array, y: jax.Array) -> jax.Array:
    """Computes what `fnn.ops.xla.matrix_gradient` does, after moving `x` so that its columns are read as rows.

    Up to three times faster where columns would drive each other out of the cache.
    """
    # Over one axis, for over several XLA rounds half precisions in between (JAX 0.11).
    rows, inputs, features = math.prod(x.shape[:-1]), x.shape[-1], y.shape[-1]
    x, y = x.reshape(rows, inputs), y.reshape(rows, features)
    if not 1 < features <= _MOST_FEATURES or inputs * x.dtype.itemsize % _ALIASED:
        return plain(x, y)
    return transposed(x) @ y
