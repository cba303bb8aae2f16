"""What an operation may know of the program that it becomes a part of."""

import math
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax
from jax import lax
from jax.interpreters import mlir


class Program(NamedTuple):
    """What a rule for the CPU may ask of the program it becomes a part of."""

    cut_up: bool = False
    """Whether XLA will cut its arrays up, and give each of several devices a part."""
    exported: bool = False
    """Whether it is kept (`jax.export`), perhaps for another version of XLA, which promises few operations so long."""


_ALONE = Program()
program: ContextVar[Program] = ContextVar("program", default=_ALONE)
"""What is known of the program that is being lowered."""


def describe(module: mlir.ModuleContext) -> Program:
    """Reads it off JAX's lowering."""
    context: Any = module.axis_context
    mesh = getattr(context, "mesh", None)
    if mesh is None:
        parts = getattr(context, "num_devices", 1)
    else:  # inside `shard_map`, which leaves to XLA only the axes that are not its own
        parts = math.prod(size for axis, size in mesh.shape.items() if axis not in context.manual_axes)
    return Program(cut_up=parts > 1, exported=module.lowering_parameters.for_export)


def vary_alike(*arrays: jax.Array) -> list[jax.Array]:
    """Inside `shard_map`, marks what is the same on all devices as varying where another operand varies.

    Its gradient is then summed over the devices, as with JAX's own operations.
    """
    varying = [jax.typeof(a).mat.varying for a in arrays]
    missing = [tuple(frozenset().union(*varying) - own) for own in varying]
    return [lax.pcast(a, axes, to="varying") if axes else a for a, axes in zip(arrays, missing, strict=True)]
