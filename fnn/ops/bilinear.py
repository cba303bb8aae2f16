"""Convolution and its two gradients as three primitives, so that each backend may compute each in its own way.

All three are bilinear, and each is the transpose of the two others:

    y = convolve(x, kernel)        x̄ = input_gradient(ȳ, kernel)        kernel̄ = kernel_gradient(x, ȳ)

so forward-mode, reverse-mode and higher derivatives never leave them. They lower to `fnn.ops.xla` everywhere but on the
CPU, where `fnn.ops.cpu` chooses a way that is fast there.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching

from fnn.ops import cpu, xla
from fnn.ops.backends import Operation, per_backend
from fnn.ops.geometry import Geometry


def _primitive(name: str, anywhere: Operation, on_cpu: Operation) -> Primitive:
    def default(a: jax.Array, b: jax.Array, *, geometry: Geometry, exact: bool) -> jax.Array:
        del exact
        return anywhere(a, b, geometry=geometry)

    return per_backend(name, ("geometry", "exact"), default, on_cpu)


convolve_p = _primitive("fnn_convolve", xla.convolve, cpu.convolve)
input_gradient_p = _primitive("fnn_input_gradient", xla.input_gradient, cpu.input_gradient)
kernel_gradient_p = _primitive("fnn_kernel_gradient", xla.kernel_gradient, cpu.kernel_gradient)

# A rule gets the cotangent of the result, and both operands; the one that it is asked for is only a placeholder.
ad.defbilinear(
    convolve_p,
    lambda y, _x, kernel, **static: input_gradient_p.bind(y, kernel, **static),
    lambda y, x, _kernel, **static: kernel_gradient_p.bind(x, y, **static),
)
ad.defbilinear(
    input_gradient_p,
    lambda x, _y, kernel, **static: convolve_p.bind(x, kernel, **static),
    lambda x, y, _kernel, **static: kernel_gradient_p.bind(x, y, **static),
)
ad.defbilinear(
    kernel_gradient_p,
    lambda kernel, _x, y, **static: input_gradient_p.bind(y, kernel, **static),
    lambda kernel, x, _y, **static: convolve_p.bind(x, kernel, **static),
)

# vmap. A batched axis joins the batch, or the features or channels, of what is computed anyhow. Where both operands
# have one, it becomes groups: `v` kernels that each see their own images are one convolution with `v` times the
# channels and features in `v` times the groups.

_BATCH, _CHANNELS, _KERNEL_CHANNELS = 0, -1, -2


def _merge(a: jax.Array, axis: int, into: int) -> jax.Array:
    """Moves a batched axis in front of the axis `into`, and makes one of the two."""
    into %= a.ndim - 1
    a = jnp.moveaxis(a, axis, into)
    return a.reshape(*a.shape[:into], -1, *a.shape[into + 2 :])


def _split(a: jax.Array, size: int, axis: int) -> jax.Array:
    """Undoes `_merge`; the batched axis then stands in front."""
    axis %= a.ndim
    a = a.reshape(*a.shape[:axis], size, -1, *a.shape[axis + 1 :])
    return jnp.moveaxis(a, axis, 0)


def _register_batching(primitive: Primitive, only_first: tuple[int, int], only_second: tuple[int, int]) -> None:
    """Registers how a primitive is batched.

    Args:
      primitive: one of the three.
      only_first: where only the first operand is batched, the axis of it that takes the batched axis in, and the axis
        of the result that gives it back. Must not be touched by groups, unless it is the batch.
      only_second: the same where only the second is.
    """

    def batch(operands: Any, axes: Any, *, geometry: Geometry, exact: bool) -> Any:
        (a, b), (a_axis, b_axis) = operands, axes
        size = a.shape[a_axis] if a_axis is not None else b.shape[b_axis]
        back = _CHANNELS
        if a_axis is not None and b_axis is None and (geometry.groups == 1 or only_first[0] == _BATCH):
            into, back = only_first
            a = _merge(a, a_axis, into)
        elif b_axis is not None and a_axis is None and geometry.groups == 1:
            into, back = only_second
            b = _merge(b, b_axis, into)
        else:
            a, b = (batching.bdim_at_front(operand, axis, size) for operand, axis in zip(operands, axes, strict=True))
            a, b = _merge(a, 0, _CHANNELS), _merge(b, 0, _CHANNELS)
            geometry = geometry._replace(groups=geometry.groups * size)
        return _split(primitive.bind(a, b, geometry=geometry, exact=exact), size, back), 0

    batching.primitive_batchers[primitive] = batch


_register_batching(convolve_p, (_BATCH, _BATCH), (_CHANNELS, _CHANNELS))
_register_batching(input_gradient_p, (_BATCH, _BATCH), (_KERNEL_CHANNELS, _CHANNELS))
_register_batching(kernel_gradient_p, (_CHANNELS, _KERNEL_CHANNELS), (_CHANNELS, _CHANNELS))
