"""A function as a list of operations: JAX's trace of it, with nested calls written out and plumbing left out."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn, Literal

from fnn.analysis.circuit.signs import sign_of
from fnn.analysis.names import name_arguments, name_leaves, name_of, parameters_of

CALLS = {"jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"}
"""Primitives that compute, and whose gradient is, what is written inside of them."""


class Scope(NamedTuple):
    """A name around operations: of a `jax.named_scope`, such as a layer's, or of a function under `jax.jit`."""

    name: str
    turn: tuple[int, ...]
    """Differs between two passages through the same scope."""
    is_function: bool = False


class Written(NamedTuple):
    """A constant that is one number, or one number everywhere: it is written where it is used, and is no value."""

    text: str
    value: Callable[[], Any]


class Operation(NamedTuple):
    """One operation: a function of some of the program's values that makes others of them."""

    sign: str
    """What it is called, or how it is written between two operands: `"exp"`, `"+"`."""
    operands: tuple[int | str, ...]
    """What it is computed from: values by their number, and constants as they are written."""
    outputs: tuple[int, ...]
    path: tuple[Scope, ...]
    """The scopes around it, from the outside in."""
    function: Callable[..., list[Any]]
    """From the values among the operands to the outputs."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """The values among the operands."""
        return tuple(operand for operand in self.operands if isinstance(operand, int))


class Program(NamedTuple):
    """A traced function. Values are known by numbers."""

    operations: list[Operation]
    inputs: list[int]
    """The leaves of the arguments."""
    constants: dict[int, Any]
    """Arrays that the function closed over."""
    outputs: list[int]
    """The leaves of what it returned, without its `aux`."""
    names: dict[int, str]
    """What inputs and outputs are called, and whatever else was given a name."""
    roots: dict[int, str]
    """The name of the argument that each input is a leaf of."""


def trace(f: Callable[..., Any], args: Sequence[Any], has_aux: bool) -> tuple[Program, Any]:
    """Traces `f(*args)`; returns its operations and the shapes of what it returned without its `aux`."""
    leaves, tree = jax.tree.flatten(tuple(args))
    shapes: list[Any] = []

    def flat(*leaves: Any) -> Any:
        output = f(*tree.unflatten(leaves))
        if has_aux:
            if not isinstance(output, tuple) or len(output) != 2:
                raise TypeError(f"has_aux expects the function to return (output, aux), got {type(output).__name__}.")
            output = output[0]
        shapes.append(jax.eval_shape(lambda: output))
        return jax.tree.leaves(output)

    closed = jax.make_jaxpr(flat)(*leaves)
    writer = _Writer()
    inputs = [writer.new() for _ in leaves]
    outputs = [writer.as_value(number) for number in writer.write(closed, inputs, ())]
    names = dict(zip(inputs, name_arguments(f, args), strict=True))
    roots = [parameter for parameter, arg in parameters_of(f, args).items() for _ in jax.tree.leaves(arg)]
    for number, name in zip(outputs, name_leaves(name_of(f), shapes[0]), strict=True):
        names.setdefault(number, writer.names.get(number, name))
    operations = _only_needed(writer.operations, outputs)
    needed = {number for operation in operations for number in operation.inputs} | set(outputs)
    constants = {number: value for number, value in writer.constants.items() if number in needed}
    operations = _without_idle_functions(operations)
    return Program(
        operations, inputs, constants, outputs, writer.names | names, dict(zip(inputs, roots, strict=True))
    ), shapes[0]


class _Writer:
    """Writes out nested jaxprs as one list of operations."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.constants: dict[int, Any] = {}
        self.written: dict[int, Written] = {}
        self.names: dict[int, str] = {}
        self.numbers, self.calls = itertools.count(), itertools.count(1)

    def new(self) -> int:
        return next(self.numbers)

    def constant(self, value: Any) -> int:
        number = self.new()
        text = _write_number(value)
        if text is None:
            self.constants[number] = value
        else:
            self.written[number] = Written(text, lambda: value)
        return number

    def as_value(self, number: int) -> int:
        """Makes a value of a constant that so far is only written, for an output that is nothing else."""
        if number in self.written:
            self.constants[number] = self.written[number].value()
        return number

    def write(self, closed: Any, inputs: Sequence[int], path: tuple[Scope, ...], turn: int = 0) -> list[int]:
        """Appends the operations of a jaxpr whose inputs have these numbers; returns its outputs' numbers."""
        jaxpr = getattr(closed, "jaxpr", closed)
        numbers: dict[Any, int] = dict(zip(jaxpr.invars, inputs, strict=True))
        for variable, value in zip(jaxpr.constvars, getattr(closed, "consts", ()), strict=True):
            numbers[variable] = self.constant(value)

        def read(atom: Any) -> int:
            return self.constant(atom.val) if isinstance(atom, Literal) else numbers[atom]

        for equation in jaxpr.eqns:
            inside = (*path, *_scopes(equation, turn))
            name = equation.primitive.name
            if name in CALLS:
                title = equation.params.get("name", "")
                call = next(self.calls)
                scope = (Scope(title.strip("_"), (call,), is_function=True),) if title.strip("_") else ()
                given = [read(atom) for atom in equation.invars]
                made = self.write(equation.params[_inner(equation)], given, (*inside, *scope), call)
            elif _passes_on(equation):
                made = [read(equation.invars[0])]
                if name == "name":
                    self.names.setdefault(made[0], equation.params["name"])
            else:
                made = [self.new() for _ in equation.outvars]
                given = [read(atom) for atom in equation.invars]
                known = [self.written.get(number) for number in given]
                function = _function_of(equation, known)
                if name in ("convert_element_type", "broadcast_in_dim") and known[0]:
                    self.written[made[0]] = Written(known[0].text, lambda function=function: function()[0])
                else:
                    operands = tuple(k.text if k else number for k, number in zip(known, given, strict=True))
                    self.operations.append(Operation(sign_of(equation), operands, tuple(made), inside, function))
            numbers.update(zip(equation.outvars, made, strict=True))
        return [read(atom) for atom in jaxpr.outvars]


def _inner(equation: JaxprEqn) -> str:
    return next(name for name in ("jaxpr", "call_jaxpr") if name in equation.params)


def _scopes(equation: JaxprEqn, call: int) -> Iterator[Scope]:
    """Reads the named scopes around an equation; those of a backward pass inside the function say so."""
    backward = False
    for entry in equation.source_info.name_stack.stack:
        if type(entry).__name__ == "Scope":
            yield Scope(f"transpose({entry.name})" if backward else entry.name, (call, id(entry)))
        else:
            backward = backward or entry.name == "transpose"


def _passes_on(equation: JaxprEqn) -> bool:
    """Says whether an equation gives back what it is given."""
    if equation.primitive.name in ("name", "copy", "copy_p"):
        return True
    if equation.primitive.name in ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod"):
        return not equation.params["axes"]
    return (
        equation.primitive.name == "convert_element_type"
        and equation.invars[0].aval.dtype == equation.outvars[0].aval.dtype  # pyright: ignore[reportAttributeAccessIssue]
    )


def _write_number(constant: Any) -> str | None:
    """Writes a constant that is one number; None of any other."""
    if np.ndim(constant) or jnp.issubdtype(jnp.result_type(constant), jax.dtypes.extended):
        return None
    number = np.asarray(constant).item()
    return str(number) if isinstance(number, int) else f"{number:.4g}"


def _function_of(equation: JaxprEqn, known: Sequence[Written | None]) -> Callable[..., list[Any]]:
    """Returns the equation alone as a function of those of its operands that are not known."""
    primitive = equation.primitive

    def function(*values: Any) -> list[Any]:
        rest = iter(values)
        given = [written.value() if written else next(rest) for written in known]
        with equation.ctx.manager:
            made = primitive.bind(*given, **primitive.get_bind_params(equation.params))
        return list(made) if primitive.multiple_results else [made]

    return function


def _only_needed(operations: Sequence[Operation], outputs: Sequence[int]) -> list[Operation]:
    """Leaves out the operations that no output depends on."""
    needed, kept = set(outputs), []
    for operation in reversed(operations):
        if needed.intersection(operation.outputs):
            kept.append(operation)
            needed.update(operation.inputs)
    return kept[::-1]


def _without_idle_functions(operations: Sequence[Operation]) -> list[Operation]:
    """Takes functions out of the paths that would hide what they call: those around a layer, one operation or all."""
    members: dict[Scope, int] = {}
    around_layers: set[Scope] = set()
    for operation in operations:
        for depth, scope in enumerate(operation.path):
            members[scope] = members.get(scope, 0) + 1
            if any(not inner.is_function for inner in operation.path[depth + 1 :]):
                around_layers.add(scope)
    idle = {
        scope
        for scope, count in members.items()
        if scope.is_function and (count in (1, len(operations)) or scope in around_layers)
    }
    return [
        operation._replace(path=tuple(scope for scope in operation.path if scope not in idle))
        for operation in operations
    ]


def is_differentiable(value: Any) -> bool:
    """Says whether a value is of numbers that a gradient can be taken of."""
    return jnp.issubdtype(jnp.result_type(value), jnp.inexact)
