"""What an operation may know of the program that it becomes a part of."""

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax
from jax import lax
from jax.interpreters import mlir
from jax.sharding import AxisType, NamedSharding, PartitionSpec, auto_axes, use_abstract_mesh


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


def explicit_layout(x: jax.Array) -> NamedSharding | None:
    """Returns how an array lies on devices, if its type says so: on a mesh with explicit axes, `jax.make_mesh`'s."""
    layout = jax.typeof(x).sharding
    return layout if AxisType.Explicit in layout.mesh.axis_types else None


def leave_to_xla(function: Callable[..., jax.Array], *arrays: jax.Array, rank: int, leading: int = 0) -> jax.Array:
    """Calls an operation of arrays whose types may say how they lie on devices.

    Inside, the types say nothing of it, and XLA cuts the operation up.

    Args:
      function: the operation.
      arrays: its operands.
      rank: of its result.
      leading: how many axes of the result lie as the first operand's do. The last lies as the last operand's last does,
        unless another one already lies so; those in between are whole.
    """
    explicit: list[Any] = [layout.mesh for layout in map(explicit_layout, arrays) if layout is not None]
    if not explicit:
        return function(*arrays)
    layouts = [jax.typeof(a).sharding for a in arrays]
    first, last = layouts[0].spec[:leading], layouts[-1].spec[-1]
    last = None if _names(last) & set().union(*map(_names, first)) else last
    layout = PartitionSpec(*first, *[None] * (rank - 1 - leading), last)
    with use_abstract_mesh(explicit[0]):
        operation: Any = auto_axes(function, out_sharding=layout)
        return operation(*arrays)


def _names(entry: Any) -> set[str]:
    """The mesh's axes along which one axis of an array is cut."""
    return set() if entry is None else {entry} if isinstance(entry, str) else set(entry)


def vary_alike(*arrays: jax.Array) -> list[jax.Array]:
    """Inside `shard_map`, marks what is the same on all devices as varying where another operand varies.

    Its gradient is then summed over the devices, as with JAX's own operations.
    """
    varying = [jax.typeof(a).mat.varying for a in arrays]
    missing = [tuple(frozenset().union(*varying) - own) for own in varying]
    return [lax.pcast(a, axes, to="varying") if axes else a for a, axes in zip(arrays, missing, strict=True)]
