"""The product of features and a matrix as two primitives, so that each backend may compute its gradient in its own way.

Both are bilinear. The gradient in the features is left to JAX.
"""

import jax
from jax.interpreters import ad

from fnn.ops import cpu, xla
from fnn.ops.backends import batch_as_defined, per_backend
from fnn.ops.program import leave_to_xla, vary_alike


def product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """Multiplies `(…, inputs)` by `(inputs, features)`, of the same dtype, to `(…, features)`."""
    return leave_to_xla(product_p.bind, *vary_alike(x, matrix), rank=x.ndim, leading=x.ndim - 1)


product_p = batch_as_defined(per_backend("fnn_product", (), xla.product, xla.product))
_matrix_gradient_p = batch_as_defined(per_backend("fnn_matrix_gradient", (), xla.matrix_gradient, cpu.matrix_gradient))

# A rule gets the cotangent of the result, and both operands; the one that it is asked for is only a placeholder.
ad.defbilinear(
    product_p,
    lambda y, _x, matrix: xla.product_gradient(y, matrix),
    lambda y, x, _matrix: _matrix_gradient_p.bind(x, y),
)
ad.defbilinear(
    _matrix_gradient_p,
    lambda matrix, _x, y: xla.product_gradient(y, matrix),
    lambda matrix, x, _y: product_p.bind(x, matrix),
)
