"""Pooling over the spatial axes of channels-last arrays."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, partial_eval

from fnn.ops.backends import Operation, per_backend
from fnn.ops.cpu import pooling as cpu
from fnn.ops.geometry import Geometry
from fnn.ops.program import leave_to_xla


def max_pool(
    x: jax.Array, window: Sequence[int], strides: Sequence[int], padding: Sequence[tuple[int, int]]
) -> jax.Array:
    """Returns the largest value under each window of `x`, `(batch, *spatial, channels)`. Padding never wins.

    The gradient goes to the first of several largest values.
    """
    pool = partial(_max_p.bind, geometry=_geometry(x, window, strides, padding))
    return leave_to_xla(pool, x, rank=x.ndim, leading=1)


def sum_pool(
    x: jax.Array, window: Sequence[int], strides: Sequence[int], padding: Sequence[tuple[int, int]]
) -> jax.Array:
    """Returns the sum of the values under each window of `x`, `(batch, *spatial, channels)`."""
    pool = partial(_sum_p.bind, geometry=_geometry(x, window, strides, padding))
    return leave_to_xla(pool, x, rank=x.ndim, leading=1)


def _geometry(
    x: jax.Array, window: Sequence[int], strides: Sequence[int], padding: Sequence[tuple[int, int]]
) -> Geometry:
    pairs = tuple((low, high) for low, high in padding)
    return Geometry(x.shape[1:-1], tuple(window), tuple(strides), pairs, (1,) * len(window))


# As XLA has it, everywhere but on the CPU. The initial value is a NumPy number: JAX differentiates only reductions
# whose initial value it can read. The batch and channel axes are windows of one.


def _reduce(x: jax.Array, geometry: Geometry, initial: float, reducer: Callable[..., Any]) -> jax.Array:
    return lax.reduce_window(
        x,
        np.array(initial, x.dtype),
        reducer,
        (1, *geometry.window, 1),
        (1, *geometry.strides, 1),
        ((0, 0), *geometry.padding, (0, 0)),
    )


def _max(x: jax.Array, *, geometry: Geometry) -> jax.Array:
    lowest = -np.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
    return _reduce(x, geometry, lowest, lax.max)


def _max_tangent(x: jax.Array, tangent: jax.Array, *, geometry: Geometry) -> jax.Array:
    """What of the tangent stands where the maxima are: `(batch, *places, channels)`."""
    return _alive(lambda x, t: jax.jvp(partial(_max, geometry=geometry), (x,), (t,))[1], x, tangent)


def _max_cotangent(x: jax.Array, y: jax.Array, *, geometry: Geometry) -> jax.Array:
    """The transpose of that: each entry of `y` where its window's maximum is."""
    return _alive(lambda x, y: jax.vjp(partial(_max, geometry=geometry), x)[1](y)[0], x, y)


def _sum(x: jax.Array, *, geometry: Geometry) -> jax.Array:
    return _reduce(x, geometry, 0, lax.add)


def _sum_cotangent(y: jax.Array, *, geometry: Geometry) -> jax.Array:
    """The transpose of the sum: each entry of `y` everywhere under its window."""
    x = jax.typeof(y).update(shape=(y.shape[0], *geometry.sizes, y.shape[-1]))
    return jax.linear_transpose(partial(_sum, geometry=geometry), x)(y)[0]


def _alive(function: Callable[..., jax.Array], *operands: jax.Array) -> jax.Array:
    """Calls `function` without what its result does not need: a maximum whose derivative alone is wanted."""
    closed = jax.make_jaxpr(function)(*operands)
    jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True], instantiate=True)
    (result,) = jaxpr_as_fun(closed.replace(jaxpr=jaxpr))(*operands)
    return result


def _primitive(name: str, anywhere: Operation, on_cpu: Operation) -> Primitive:
    primitive = per_backend(name, ("geometry",), anywhere, on_cpu)

    def batch(operands: Any, axes: Any, *, geometry: Geometry) -> Any:
        size = next(a.shape[axis] for a, axis in zip(operands, axes, strict=True) if axis is not None)
        joined = (batching.bdim_at_front(a, axis, size) for a, axis in zip(operands, axes, strict=True))
        made = primitive.bind(*(a.reshape(-1, *a.shape[2:]) for a in joined), geometry=geometry)
        return made.reshape(size, -1, *made.shape[1:]), 0

    batching.primitive_batchers[primitive] = batch
    return primitive


_max_p = _primitive("fnn_max_pool", _max, cpu.max_pool)
_max_tangent_p = _primitive("fnn_max_pool_tangent", _max_tangent, cpu.max_pool_tangent)
_max_cotangent_p = _primitive("fnn_max_pool_cotangent", _max_cotangent, cpu.max_pool_cotangent)
_sum_p = _primitive("fnn_sum_pool", _sum, cpu.sum_pool)
_sum_cotangent_p = _primitive("fnn_sum_pool_cotangent", _sum_cotangent, cpu.sum_pool_cotangent)

# Where the maximum is does not change with x, but at the points where it jumps: tangent and cotangent are linear in
# their second operand and constant in the first.
ad.defjvp(_max_p, lambda tangent, x, *, geometry: _max_tangent_p.bind(x, tangent, geometry=geometry))
for _p, _transposed in ((_max_tangent_p, _max_cotangent_p), (_max_cotangent_p, _max_tangent_p)):
    ad.defjvp(_p, None, lambda t, x, _, *, geometry, p=_p: p.bind(x, t, geometry=geometry))

    def _transpose(ct: Any, x: Any, _: Any, *, geometry: Geometry, p: Primitive = _transposed) -> Any:
        return None, ct if type(ct) is ad.Zero else p.bind(x, ct, geometry=geometry)

    ad.primitive_transposes[_p] = _transpose
ad.deflinear2(_sum_p, lambda ct, _, *, geometry: [_sum_cotangent_p.bind(ct, geometry=geometry)])
ad.deflinear2(_sum_cotangent_p, lambda ct, _, *, geometry: [_sum_p.bind(ct, geometry=geometry)])
