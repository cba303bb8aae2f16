"""Which arrays JAX's reverse mode keeps between the forward and the backward pass.

JAX takes the derivative of a program equation by equation, so what a program keeps is what its equations keep. Deep
networks repeat themselves: asking JAX once about each different equation takes a fraction of the time that the
derivative of the whole takes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from fnn.analysis.summary.primitives import CONSTANT, VIEWS
from fnn.analysis.summary.program import Scope, Step, Value, names_of, read_program, scan_parts

Share = tuple[Scope, int]
"""Where some bytes are made: an array that a loop stacks is made in parts."""


class _Kept(NamedTuple):
    """What one equation keeps for its gradient."""

    operands: tuple[int, ...]
    """By place."""
    results: tuple[int, ...]
    """By place."""
    more: tuple[tuple[tuple[Share, ...], frozenset[int]], ...]
    """What it makes besides its results, and the places of the operands that each depends on."""
    shares: tuple[tuple[Share, ...], ...]
    """Of each result."""


def kept_bytes(
    closed: core.ClosedJaxpr, parameters: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any]
) -> Iterator[Share]:
    """Says where in a program the arrays are made that its gradient will need, and how many bytes they take.

    Args:
      closed: the forward pass.
      parameters: the variables of which the gradient is taken.
      inputs: those of which something is told: what does not depend on them, such as the parameters in another dtype,
        is no activation, and neither are they themselves.
      outputs: the variables whose gradient is given.
    """
    active, depends = _dependent(closed, parameters, derivative=True), _dependent(closed, inputs)
    needed = {var for var in outputs if not isinstance(var, core.Literal) and var in active}
    for eqn in reversed(closed.jaxpr.eqns):
        if any(var in needed for var in eqn.outvars):
            needed.update(var for var in _variables(eqn) if var in active)

    known: dict[tuple[str, tuple[bool, ...]], _Kept] = {}
    origins: dict[Any, Any] = {}  # whose memory a view shares
    shares: dict[Any, Sequence[Share]] = {}
    kept: dict[Any, None] = {}  # in order, each once
    for eqn in closed.jaxpr.eqns:
        scope, operands = names_of(eqn), list(dict.fromkeys(_variables(eqn)))
        shares.update((var, [(scope, Value(var.aval).nbytes)]) for var in eqn.outvars)
        if eqn.primitive.name in VIEWS and operands:
            origins[eqn.outvars[0]] = origins.get(operands[0], operands[0])
        results = [var for var in eqn.outvars if var in needed]
        if not results:
            continue
        alone = closed.jaxpr.replace(constvars=[], invars=operands, outvars=results, eqns=[eqn], effects=eqn.effects)
        wanted = tuple(var in needed for var in operands)
        key = (str(alone), wanted)  # variables are printed in order, so equal equations are printed alike
        if key not in known:
            known[key] = _ask(alone, wanted, scope)
        answer = known[key]
        for var, parts in zip(results, answer.shares, strict=True):
            shares[var] = [(scope + inside, nbytes) for inside, nbytes in parts]
        for var in (*(operands[i] for i in answer.operands), *(results[i] for i in answer.results)):
            kept[origins.get(var, var)] = None
        for parts, sources in answer.more:
            if any(operands[place] in depends for place in sources):
                yield from ((scope + inside, nbytes) for inside, nbytes in parts)
    for var in kept:
        if var in depends and var in shares:
            yield from shares[var]


def _variables(eqn: Any) -> Iterator[Any]:
    return (atom for atom in eqn.invars if not isinstance(atom, core.Literal))


def _dependent(closed: core.ClosedJaxpr, begin: Sequence[Any], derivative: bool = False) -> set[Any]:
    """The variables that depend on some; only through operations that have a derivative, if asked for."""
    reached = set(begin)
    for eqn in closed.jaxpr.eqns:
        if any(var in reached for var in _variables(eqn)) and not (derivative and eqn.primitive.name in CONSTANT):
            reached.update(v for v in eqn.outvars if not derivative or jnp.issubdtype(v.aval.dtype, jnp.inexact))
    return reached


def _ask(alone: core.Jaxpr, wanted: Sequence[bool], scope: Scope) -> _Kept:
    """Asks JAX what an equation keeps for its gradient with respect to the wanted operands."""
    function = core.jaxpr_as_fun(core.ClosedJaxpr(alone, []))

    def residuals(*operands: jax.Array) -> tuple[Any, Any]:
        def apply(*chosen: jax.Array) -> Any:
            rest = iter(chosen)
            return function(*(next(rest) if want else given for want, given in zip(wanted, operands, strict=True)))

        results, back = jax.vjp(apply, *(given for want, given in zip(wanted, operands, strict=True) if want))
        return results, jax.tree.leaves(back)

    given = [Value(var.aval) for var in alone.invars]
    avals = [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in given]
    program = read_program(jax.make_jaxpr(residuals)(*avals))
    sources = {value: frozenset((place,)) for place, value in enumerate(program.inputs)}
    origins = _trace_back(program.steps, sources)
    results, leaves = program.outputs[: len(alone.outvars)], program.outputs[len(alone.outvars) :]
    made = [origins.get(value, value) for value in results]
    kept = dict.fromkeys(origins[leaf] for leaf in leaves if leaf in origins)
    return _Kept(
        tuple(place for place, value in enumerate(program.inputs) if value in kept),
        tuple(place for place, value in enumerate(made) if value in kept and value not in program.inputs),
        tuple(
            (_shares(value, scope), sources[value])
            for value in kept
            if value not in program.inputs and value not in made
        ),
        tuple(_shares(value, scope) for value in results),
    )


def _trace_back(steps: Sequence[Step], sources: dict[Value, frozenset[int]]) -> dict[Value, Value]:
    """Finds whose memory each value shares that depends on the inputs.

    Args:
      steps: of a program.
      sources: on which inputs each of the values depends with which the steps begin; the others are added.
    """
    origins = {value: value for value in sources}
    for step in steps:
        if not any(value in sources for value in step.inputs):
            continue
        for value, found in zip(step.outputs, _sources(step, sources), strict=True):
            if found:
                sources[value] = found
                origins[value] = origins.get(step.inputs[0], value) if step.name in VIEWS else value
    return origins


def _sources(step: Step, sources: Mapping[Value, frozenset[int]]) -> Sequence[frozenset[int]]:
    """On which inputs each result of a step depends."""
    given = [sources.get(value, frozenset()) for value in step.inputs]
    if step.name != "scan":
        return [frozenset().union(*given)] * len(step.outputs)
    (body,), (consts, carries) = step.bodies, scan_parts(step)
    while True:  # what a turn hands on may depend on more from the second turn on
        inside = {value: found for value, found in zip(body.inputs, given, strict=True) if found}
        _trace_back(body.steps, inside)
        results = [inside.get(value, frozenset()) for value in body.outputs]
        carry = [old | new for old, new in zip(given[consts : consts + carries], results, strict=False)]
        if carry == given[consts : consts + carries]:
            return [*carry, *results[carries:]]
        given[consts : consts + carries] = carry


def _shares(value: Value, scope: Scope) -> tuple[Share, ...]:
    """Where a value is made, by names inside of a scope; what a loop stacks, turn by turn under the turns' numbers."""
    step = value.made_by
    if step is None:
        return (((), value.nbytes),)
    if step.name != "scan":
        return ((_inside(step.scope, scope), value.nbytes),)
    (body,), place = step.bodies, step.outputs.index(value)
    maker = body.outputs[place].made_by
    name = () if maker is None else _inside(maker.scope, step.scope)
    turns = range(step.params["length"])
    if place < scan_parts(step)[1]:  # only what the last turn hands on is left
        turns = turns[:1] if step.params["reverse"] else turns[-1:]
    return tuple(((*_inside(step.scope, scope), str(i), *name), value.nbytes // len(turns)) for i in turns)


def _inside(scope: Scope, outer: Scope) -> Scope:
    return scope[len(outer) :] if scope[: len(outer)] == outer else ()
