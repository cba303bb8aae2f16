"""Convolution and its two gradients as three primitives, so that each backend may compute each in its own way.

All three are bilinear, and each is the transpose of the two others:

    y = convolve(x, kernel)        x̄ = input_gradient(ȳ, kernel)        kernel̄ = kernel_gradient(x, ȳ)

so forward-mode, reverse-mode and higher derivatives never leave them. They lower to `fnn.ops.xla` everywhere but on the
CPU, where `fnn.ops.cpu` chooses a way that is fast there.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from fnn.ops import cpu, xla
from fnn.ops.geometry import Geometry

Operation = Callable[..., jax.Array]


def _primitive(name: str, anywhere: Operation, on_cpu: Operation) -> Primitive:
    primitive = Primitive(name)

    @primitive.def_abstract_eval
    def _(a: Any, b: Any, *, geometry: Geometry, exact: bool) -> Any:
        del exact
        shapes = (jax.ShapeDtypeStruct(operand.shape, operand.dtype) for operand in (a, b))
        made = jax.eval_shape(partial(anywhere, geometry=geometry), *shapes)
        return a.update(shape=made.shape, dtype=made.dtype, weak_type=False)

    compiled = jax.jit(primitive.bind, static_argnames=("geometry", "exact"))
    primitive.def_impl(compiled)

    def default(a: jax.Array, b: jax.Array, *, geometry: Geometry, exact: bool) -> jax.Array:
        del exact
        return anywhere(a, b, geometry=geometry)

    mlir.register_lowering(primitive, mlir.lower_fun(default, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(on_cpu, multiple_results=False), platform="cpu")
    return primitive


convolve_p = _primitive("fnn_convolve", xla.convolve, cpu.convolve)
input_gradient_p = _primitive("fnn_input_gradient", xla.input_gradient, cpu.input_gradient)
kernel_gradient_p = _primitive("fnn_kernel_gradient", xla.kernel_gradient, cpu.kernel_gradient)

# A rule gets the cotangent and both operands, of which the one that is asked for is only a placeholder.
ad.defbilinear(
    convolve_p,
    lambda y, x, kernel, **static: input_gradient_p.bind(y, kernel, **static),
    lambda y, x, kernel, **static: kernel_gradient_p.bind(x, y, **static),
)
ad.defbilinear(
    input_gradient_p,
    lambda x, y, kernel, **static: convolve_p.bind(x, kernel, **static),
    lambda x, y, kernel, **static: kernel_gradient_p.bind(x, y, **static),
)
ad.defbilinear(
    kernel_gradient_p,
    lambda kernel, x, y, **static: input_gradient_p.bind(y, kernel, **static),
    lambda kernel, x, y, **static: convolve_p.bind(x, kernel, **static),
)

# vmap. Where only images are batched, the new axis joins the batch; else it becomes groups: `v` kernels that each see
# their own images are one convolution of `v` times the channels and features in `v` times the groups.


def _join(a: jax.Array, axis: int | None, size: int, at: int, groups: int = 1) -> jax.Array:
    """Merges the batched `axis` (or copies, where there is none) in front of each group of axis `at`... see callers."""
    a = jnp.broadcast_to(a, (size, *a.shape)) if axis is None else jnp.moveaxis(a, axis, 0)
    a = jnp.moveaxis(a, 0, at)
    return a.reshape(*a.shape[:at], size * a.shape[at + 1], *a.shape[at + 2 :])


def _split(a: jax.Array, size: int, at: int) -> jax.Array:
    """Undoes `_join`: the new axis stands in front."""
    a = a.reshape(*a.shape[:at], size, a.shape[at] // size, *a.shape[at + 1 :])
    return jnp.moveaxis(a, at, 0)


def _image_with_kernel(primitive: Primitive, operands: Any, axes: Any, *, geometry: Geometry, exact: bool) -> Any:
    """`convolve` and `input_gradient`: images `(batch, …, channels)` with a kernel give images."""
    (images, kernel), (at, kernel_at) = operands, axes
    size = (images if at is not None else kernel).shape[at if at is not None else kernel_at]
    if kernel_at is None:
        joined = _join(images, at, size, 0)
        return _split(primitive.bind(joined, kernel, geometry=geometry, exact=exact), size, 0), 0
    channels = images.ndim - 1 - (at is not None)
    images = _join(images, at, size, channels)
    kernel = _join(kernel, kernel_at, size, channels)
    geometry = geometry._replace(groups=geometry.groups * size)
    return _split(primitive.bind(images, kernel, geometry=geometry, exact=exact), size, channels), 0


def _images_to_kernel(primitive: Primitive, operands: Any, axes: Any, *, geometry: Geometry, exact: bool) -> Any:
    """`kernel_gradient`: two batches of images give a kernel, summed over the batch."""
    x, y = operands
    size = next(a.shape[at] for a, at in zip(operands, axes, strict=True) if at is not None)
    channels = x.ndim - 1 - (axes[0] is not None)
    x, y = (_join(a, at, size, channels) for a, at in zip((x, y), axes, strict=True))
    geometry = geometry._replace(groups=geometry.groups * size)
    return _split(primitive.bind(x, y, geometry=geometry, exact=exact), size, channels), 0


batching.primitive_batchers[convolve_p] = partial(_image_with_kernel, convolve_p)
batching.primitive_batchers[input_gradient_p] = partial(_image_with_kernel, input_gradient_p)
batching.primitive_batchers[kernel_gradient_p] = partial(_images_to_kernel, kernel_gradient_p)
