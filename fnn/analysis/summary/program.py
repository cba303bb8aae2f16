"""A traced program as steps: calls written out, loops with their bodies, every step under its layer's name."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.extend import core

from fnn.ops.backends import DEFINITIONS, definition

Scope = tuple[str, ...]
"""The names of the layers around a step, from the outside in."""

_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "custom_vmap_call": "call",
    "composite": "jaxpr",
}
"""The primitives that only run another program on the same operands, and under which parameter that stands."""

_LOOPS = {"scan": ("jaxpr",), "while": ("cond_jaxpr", "body_jaxpr")}
"""The primitives that run other programs in a way of their own, and these programs; `cond` has a tuple of them."""


class Value:
    """An array of the program. Two of equal shape are not the same, so it compares by identity."""

    __slots__ = ("dtype", "made_by", "number", "shape")

    def __init__(self, aval: Any, number: Any = None):
        self.shape: tuple[int, ...] = tuple(getattr(aval, "shape", ()))
        self.dtype: Any = getattr(aval, "dtype", np.dtype(np.int32))
        self.number = number  # of a literal
        self.made_by: Step | None = None

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """How many bytes they take."""
        return self.size * self.dtype.itemsize


class Step(NamedTuple):
    """One primitive operation."""

    name: str
    """Of the primitive."""
    params: dict[str, Any]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    scope: Scope
    bodies: "tuple[Program, ...]" = ()
    """The programs that a loop or a conditional runs."""


class Program(NamedTuple):
    """Steps in the order in which they were traced."""

    inputs: tuple[Value, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Value, ...]


def read_program(closed: core.ClosedJaxpr, scope: Scope = ()) -> Program:
    """Writes a jaxpr out as steps.

    `jit`, `checkpoint`, custom derivatives and fnn's own primitives are replaced by what they compute.
    """
    inputs = tuple(Value(var.aval) for var in closed.jaxpr.invars)
    steps: list[Step] = []
    outputs = _write_out(closed, inputs, scope, steps)
    return Program(inputs, tuple(steps), outputs)


def _write_out(closed: Any, inputs: Sequence[Value], scope: Scope, steps: list[Step]) -> tuple[Value, ...]:
    """Appends a jaxpr's steps on these inputs, and returns its outputs."""
    jaxpr = getattr(closed, "jaxpr", closed)
    known: dict[Any, Value] = dict(zip(jaxpr.invars, inputs, strict=True))
    known.update((var, Value(var.aval)) for var in jaxpr.constvars)

    def read(atom: Any) -> Value:
        return Value(atom.aval, atom.val) if isinstance(atom, core.Literal) else known[atom]

    for eqn in jaxpr.eqns:
        inside = scope + names_of(eqn)
        operands = tuple(map(read, eqn.invars))
        called = _called(eqn)
        if called is not None:
            results = _write_out(called, operands, inside, steps)
        else:
            results = tuple(Value(var.aval) for var in eqn.outvars)
            bodies = tuple(read_program(body, inside) for body in _bodies(eqn))
            step = Step(eqn.primitive.name, eqn.params, operands, results, inside, bodies)
            for value in results:
                value.made_by = step
            steps.append(step)
        known.update(zip(eqn.outvars, results, strict=True))
    return tuple(map(read, jaxpr.outvars))


def scan_parts(step: Step) -> tuple[int, int]:
    """How many operands of a scan are constants, and how many are carried from turn to turn; the rest is taken apart.

    Read off the shapes, for JAX's versions write it down in different ways: what is taken apart or stacked has an axis
    more outside of the body.
    """
    (body,) = step.bodies
    apart = sum(len(out.shape) > len(inner.shape) for out, inner in zip(step.inputs, body.inputs, strict=True))
    carried = sum(len(out.shape) == len(inner.shape) for out, inner in zip(step.outputs, body.outputs, strict=True))
    return len(step.inputs) - apart - carried, carried


def names_of(eqn: Any) -> Scope:
    """The layers' names that an equation carries."""
    # A name stack also holds the transformations that were applied; their entries are of another class.
    return tuple(entry.name for entry in eqn.source_info.name_stack.stack if type(entry).__name__ == "Scope")


def _called(eqn: Any) -> Any:
    """The program that stands in place of an equation, if one does."""
    if eqn.primitive in DEFINITIONS:
        return definition(eqn.primitive, [atom.aval for atom in eqn.invars], eqn.params)
    return eqn.params.get(_CALLS.get(eqn.primitive.name, ""))


def _bodies(eqn: Any) -> tuple[Any, ...]:
    if eqn.primitive.name == "cond":
        return tuple(eqn.params["branches"])
    return tuple(eqn.params[name] for name in _LOOPS.get(eqn.primitive.name, ()))
