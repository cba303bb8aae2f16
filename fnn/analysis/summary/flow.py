"""How what each array sees of an input passes through a program and the loops in it."""

from collections.abc import Iterable

from fnn.analysis.summary.program import Program, Step, Value, scan_parts
from fnn.analysis.summary.reach import Reach, arrange, join, slide, stack
from fnn.analysis.summary.rules import RULES, Reaches, anything, blur

Known = dict[Value, Reach]
"""What each array sees of one axis of one input; an array that sees nothing of it is not there."""


def flow(steps: Iterable[Step], known: Known) -> set[str]:
    """Finds what each array that the steps make sees.

    Args:
      steps: in the order in which they run.
      known: what the arrays that they begin with see; what the steps make is added to it.

    Returns:
      The primitives that have no rule. What they make is taken to see all that what they are given sees.
    """
    unknown: set[str] = set()
    for step in steps:
        reaches = [known.get(value) for value in step.inputs]
        if not any(reaches):
            continue
        rule = RULES.get(step.name)
        if step.name == "scan":
            results = _scan(step, reaches, unknown)
        elif step.name == "cond":
            results = _cond(step, reaches, unknown)
        elif rule is not None:
            results = rule(step, reaches)
        else:
            unknown.add(step.name)
            results = anything(step, reaches)
        known.update((value, reach) for value, reach in zip(step.outputs, results, strict=True) if reach is not None)
    return unknown


def _run(body: Program, reaches: Reaches, unknown: set[str]) -> list[Reach | None]:
    known = {value: reach for value, reach in zip(body.inputs, reaches, strict=True) if reach is not None}
    unknown |= flow(body.steps, known)
    return [known.get(value) for value in body.outputs]


def _scan(step: Step, reaches: Reaches, unknown: set[str]) -> Reaches:
    """Runs the body as often as the loop does; its stacked outputs are put in order where they move evenly."""
    consts, carries = scan_parts(step)
    length, reverse = step.params["length"], step.params["reverse"]
    (body,) = step.bodies
    fixed, carry, sliced = reaches[:consts], list(reaches[consts : consts + carries]), reaches[consts + carries :]
    turns: list[Reaches] = []
    for turn in reversed(range(length)) if reverse else range(length):
        given = [reach and arrange(slide(reach, 0, turn, turn, 1), range(1, len(reach.strides))) for reach in sliced]
        results = _run(body, [*fixed, *carry, *given], unknown)
        carry = results[:carries]
        turns.append(results[carries:])
    if reverse:
        turns.reverse()
    stacked = zip(zip(*turns, strict=True), step.outputs[carries:], strict=True)
    return [*carry, *(stack(parts, value.shape, 0) for parts, value in stacked)]


def _cond(step: Step, reaches: Reaches, unknown: set[str]) -> Reaches:
    branches = [_run(body, reaches[1:], unknown) for body in step.bodies]
    return [
        join([*made, blur(step.inputs[:1], reaches[:1], output)], output.shape)
        for made, output in zip(zip(*branches, strict=True), step.outputs, strict=True)
    ]
