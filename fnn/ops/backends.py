"""How an operation gets one rule per backend."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from fnn.ops.program import describe, program

Operation = Callable[..., jax.Array]
"""From arrays and static keyword arguments to one array."""

DEFINITIONS: dict[Primitive, Operation] = {}
"""What each primitive computes, in the words of `lax`, whatever way a backend takes: for those who read programs."""


def definition(primitive: Primitive, operands: Sequence[Any], static: Mapping[str, Any]) -> Any:
    """Returns the program, a closed jaxpr, of one of `DEFINITIONS` for operands of these shapes and dtypes."""
    shapes = tuple(jax.ShapeDtypeStruct(operand.shape, operand.dtype) for operand in operands)
    return _definition(primitive, shapes, tuple(sorted(static.items())))


@lru_cache(maxsize=512)
def _definition(primitive: Primitive, shapes: tuple[Any, ...], static: tuple[tuple[str, Any], ...]) -> Any:
    return jax.make_jaxpr(partial(DEFINITIONS[primitive], **dict(static)))(*shapes)


def per_backend(name: str, static: tuple[str, ...], anywhere: Operation, on_cpu: Operation) -> Primitive:
    """Makes a primitive that computes in one way on the CPU and in another on every other backend.

    Which one is decided when a program is lowered, so derivatives and `vmap` are taken of the primitive, for which the
    caller gives the rules, and not of what is written inside.

    Args:
      name: what the primitive is called in a jaxpr.
      static: the names of its static arguments.
      anywhere: what it computes; the shape rule is read off it.
      on_cpu: the same, written so that XLA's CPU backend is fast at it; or `anywhere` itself.
    """
    primitive = Primitive(name)
    DEFINITIONS[primitive] = anywhere
    traced_once = jax.jit(anywhere, static_argnames=static)

    @primitive.def_abstract_eval
    def _(*operands: Any, **arguments: Any) -> Any:
        shapes = (jax.ShapeDtypeStruct(operand.shape, operand.dtype) for operand in operands)
        made = traced_once.eval_shape(*shapes, **arguments)
        return operands[0].update(shape=made.shape, dtype=made.dtype, weak_type=False)

    primitive.def_impl(jax.jit(primitive.bind, static_argnames=static))
    mlir.register_lowering(primitive, mlir.lower_fun(anywhere, multiple_results=False))
    if on_cpu is anywhere:
        return primitive
    lower_on_cpu = mlir.lower_fun(on_cpu, multiple_results=False)

    def lower(ctx: mlir.LoweringRuleContext, *operands: Any, **arguments: Any) -> Any:
        before = program.set(describe(ctx.module_context))
        try:
            return lower_on_cpu(ctx, *operands, **arguments)
        finally:
            program.reset(before)

    mlir.register_lowering(primitive, lower, platform="cpu")
    return primitive


def batch_as_defined(primitive: Primitive) -> Primitive:
    """Has `vmap` put a primitive's definition in its place."""

    def batch(operands: Any, axes: Any, **static: Any) -> Any:
        return jax.vmap(partial(DEFINITIONS[primitive], **static), in_axes=axes)(*operands), 0

    batching.primitive_batchers[primitive] = batch
    return primitive
