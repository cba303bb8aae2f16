"""The forward and the backward pass through a program, operation by operation, held against `jax.vjp` of the whole."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from fnn.analysis.circuit.program import Operation, Program, is_differentiable

TOLERANCE, NARROW_TOLERANCE = 100, 8
"""By how many units of rounding, relative to its largest entry, a gradient may differ from JAX's without a question;
the second is for functions that compute in half precision."""


class Passes(NamedTuple):
    """What flowed forward and back."""

    values: dict[int, Any]
    """Each value of the program, by number."""
    gradients: dict[int, Any]
    """The gradient at each value that one reaches."""
    contributions: dict[tuple[int, int], Any]
    """The gradient that comes back through each input, by the places of the operation and of the input in it."""


def run_passes(program: Program, leaves: Sequence[Any], cotangents: Sequence[Any]) -> Passes:
    """Runs a program on its inputs and back from its outputs' cotangents, as one compiled function."""

    @jax.jit
    def run(leaves: Sequence[Any], constants: dict[int, Any], cotangents: Sequence[Any]) -> Passes:
        values = dict(zip(program.inputs, leaves, strict=True)) | constants
        active = {number for number, leaf in zip(program.inputs, leaves, strict=True) if is_differentiable(leaf)}
        pullbacks = []
        for operation in program.operations:
            outputs, pullback = _forward(operation, values, active)
            values.update(zip(operation.outputs, outputs, strict=True))
            active.update(pullback.active if pullback else ())
            pullbacks.append(pullback)
        gradients, contributions = _backward(program, pullbacks, values, active, cotangents)
        for number in program.inputs:
            if number in active and number not in gradients:
                gradients[number] = jnp.zeros_like(values[number])
        return Passes(values, gradients, contributions)

    return Passes(*map(_as_arrays, run(list(leaves), program.constants, list(cotangents))))


class _Pullback(NamedTuple):
    """How one operation takes gradients of its outputs back to its inputs."""

    places: list[int]
    """Which of the inputs may get a gradient."""
    pull: Callable[..., Sequence[Any]]
    """From cotangents of all outputs to those of the inputs at these places."""
    reads: list[set[int]]
    """For each of these places: which outputs' cotangents its own depends on; none means a gradient of zero."""
    active: set[int]
    """The outputs, by number, that depend differentiably on something that is differentiated."""


def _forward(
    operation: Operation, values: Mapping[int, Any], active: set[int]
) -> tuple[Sequence[Any], _Pullback | None]:
    """Computes an operation's outputs, and how gradients come back through it, if they do."""
    given = [values[number] for number in operation.inputs]
    places = [place for place, number in enumerate(operation.inputs) if number in active]
    if not places:
        return operation.function(*given), None

    def function(*chosen: Any) -> list[Any]:
        arguments = list(given)
        for place, value in zip(places, chosen, strict=True):
            arguments[place] = value
        return operation.function(*arguments)

    outputs, pull = jax.vjp(function, *(given[place] for place in places))
    floating = [place for place, output in enumerate(outputs) if is_differentiable(output)]

    def pull_floating(*cotangents: Any) -> Sequence[Any]:
        return pull(_fill(outputs, dict(zip(floating, cotangents, strict=True))))

    # The pullback is linear: an input whose gradient reads no cotangent has a gradient of zero, and nothing flows on.
    linear = jax.make_jaxpr(pull_floating)(*(outputs[place] for place in floating))
    reads = [{floating[place] for place in reading} for reading in _what_each_output_reads(linear)]
    alive = {operation.outputs[place] for reading in reads for place in reading}
    return outputs, _Pullback(places, pull, reads, alive)


def _what_each_output_reads(closed: Any) -> list[set[int]]:
    """Says of each output of a jaxpr from which of its inputs it is computed."""
    sources: dict[Any, set[int]] = {variable: {place} for place, variable in enumerate(closed.jaxpr.invars)}
    for equation in closed.jaxpr.eqns:
        together = set().union(*(sources.get(atom, set()) for atom in equation.invars if _is_variable(atom)))
        sources.update(dict.fromkeys(equation.outvars, together))
    return [sources.get(atom, set()) if _is_variable(atom) else set() for atom in closed.jaxpr.outvars]


def _is_variable(atom: Any) -> bool:
    return not isinstance(atom, Literal)


def _fill(outputs: Sequence[Any], cotangents: Mapping[int, Any]) -> list[Any]:
    """Completes cotangents, by place, with zeros."""
    return [cotangents[place] if place in cotangents else _zero(output) for place, output in enumerate(outputs)]


def _zero(value: Any) -> Any:
    return jnp.zeros_like(value) if is_differentiable(value) else np.zeros(np.shape(value), jax.dtypes.float0)


def _backward(
    program: Program,
    pullbacks: Sequence[_Pullback | None],
    values: Mapping[int, Any],
    active: set[int],
    cotangents: Sequence[Any],
) -> tuple[dict[int, Any], dict[tuple[int, int], Any]]:
    """Takes the outputs' cotangents back, and adds up what arrives at each value."""
    gradients: dict[int, Any] = {}
    contributions: dict[tuple[int, int], Any] = {}

    def arrive(number: int, gradient: Any) -> None:
        gradients[number] = gradients[number] + gradient if number in gradients else gradient

    for number, cotangent in zip(program.outputs, cotangents, strict=True):
        if number in active:
            arrive(number, cotangent)
    for place in reversed(range(len(program.operations))):
        operation, pullback = program.operations[place], pullbacks[place]
        given = {i: gradients[number] for i, number in enumerate(operation.outputs) if number in gradients}
        if pullback is None or not given:
            continue
        pulled = pullback.pull(_fill([values[number] for number in operation.outputs], given))
        for at, gradient, reads in zip(pullback.places, pulled, pullback.reads, strict=True):
            if reads & given.keys():
                contributions[place, at] = gradient
                arrive(operation.inputs[at], gradient)
    return gradients, contributions


def _as_arrays(values: Mapping[Any, Any]) -> dict[Any, np.ndarray]:
    """Returns values as NumPy's arrays; random keys as the integers that they are made of."""
    return {
        number: np.asarray(jax.random.key_data(v) if jnp.issubdtype(v.dtype, jax.dtypes.prng_key) else v)
        for number, v in values.items()
    }


def check_against_jax(
    f: Callable[..., Any], args: Sequence[Any], cotangent: Any, has_aux: bool, program: Program, passes: Passes
) -> None:
    """Raises unless the gradients at the inputs are those that `jax.vjp` gives of the whole function.

    Both are sums of the same numbers in another order. Where they differ by more than a few roundings, as gradients do
    that are zero but for rounding (of a bias before BatchNorm), the inputs are changed by one rounding, too: what
    that changes, the order of a sum may change as well.

    Raises:
      FloatingPointError: if they differ by more.
    """
    leaves, tree = jax.tree.flatten(tuple(args))
    places = [place for place, leaf in enumerate(leaves) if is_differentiable(leaf)]

    @jax.jit
    def gradient(leaves: list[Any], cotangent: Any) -> Sequence[Any]:
        def function(*chosen: Any) -> Any:
            given = list(leaves)
            for place, leaf in zip(places, chosen, strict=True):
                given[place] = leaf
            return f(*tree.unflatten(given))

        return jax.vjp(function, *(leaves[place] for place in places), has_aux=has_aux)[1](cotangent)

    floating = [value.dtype for value in passes.values.values() if jnp.issubdtype(value.dtype, jnp.inexact)]
    rounding = max(float(jnp.finfo(dtype).eps) for dtype in floating)
    tolerance = rounding * (TOLERANCE if rounding < 1e-4 else NARROW_TOLERANCE)
    wanted = [np.asarray(leaf) for leaf in gradient(leaves, cotangent)]
    got = [passes.gradients[program.inputs[place]] for place in places]
    wrong = [i for i, pair in enumerate(zip(got, wanted, strict=True)) if not _is_close(*pair, tolerance, 0)]
    if not wrong:
        return
    moved = list(leaves)
    for place in places:
        moved[place] = jnp.asarray(leaves[place]) * jnp.asarray(1 + rounding, jnp.result_type(leaves[place]))
    changed = [np.asarray(leaf) for leaf in gradient(moved, cotangent)]
    for i in wrong:
        change = np.abs(changed[i] - wanted[i])
        slack = 100 * float(np.max(change, initial=0, where=np.isfinite(change)))
        if not _is_close(got[i], wanted[i], tolerance, slack):
            at = np.unravel_index(np.argmax(np.abs(got[i] - wanted[i])), got[i].shape)
            raise FloatingPointError(
                f"backprop found a gradient of {got[i][at]} at {program.names[program.inputs[places[i]]]!r}"
                f"{list(map(int, at)) if at else ''}, jax.vjp of the whole function {wanted[i][at]}. If the "
                "function is not chaotic there, this is an error of fnn: please report it with the function."
            )


def _is_close(got: np.ndarray, wanted: np.ndarray, tolerance: float, slack: float) -> bool:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return False
    wide = np.complex128 if np.issubdtype(got.dtype, np.complexfloating) else np.float64
    a, b = got.astype(wide), wanted.astype(wide)
    size = np.max(np.abs(b), initial=0, where=np.isfinite(b))
    return bool(np.allclose(a, b, rtol=0, atol=tolerance * size + slack, equal_nan=True))
