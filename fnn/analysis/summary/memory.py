"""How many bytes of arrays that depend on the input are alive at once.

What is counted is the program as it was traced, with two things every compiler does: an elementwise operation writes
over an operand that nobody reads any more, and what is only reshaped or repeated takes no place of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fnn.analysis.summary.primitives import ELEMENTWISE, VIEWS
from fnn.analysis.summary.program import Program, Scope, Step, Value


@dataclass(eq=False)
class _Buffer:
    """Memory that one array holds, or several after each other."""

    nbytes: int
    last_use: int = -1


def live_bytes(program: Program, inputs: Iterable[Value]) -> Iterator[tuple[Scope, int]]:
    """Says for each step how many bytes of arrays that depend on the inputs are alive while it runs.

    Args:
      program: whose outputs are alive to the end.
      inputs: those of the program's inputs that count, and with them all that is made of them.
    """
    last_use: dict[Value, int] = {}
    for time, step in enumerate(program.steps):
        last_use.update(dict.fromkeys(step.inputs, time))
    last_use.update(dict.fromkeys(program.outputs, len(program.steps)))

    buffers: dict[Value, _Buffer] = {}
    alive: set[_Buffer] = set()

    def hold(value: Value, buffer: _Buffer) -> None:
        buffer.last_use = max(buffer.last_use, last_use.get(value, -1))
        buffers[value] = buffer
        alive.add(buffer)

    for value in inputs:
        hold(value, _Buffer(value.nbytes))
    for time, step in enumerate(program.steps):
        given = [value for value in step.inputs if value in buffers]
        if not given:
            continue
        for value in step.outputs:
            hold(value, _buffer_for(step, value, [buffers[v] for v in given], time))
        inner = max((_extra(body, step, buffers) for body in step.bodies), default=0)
        yield step.scope, sum(buffer.nbytes for buffer in alive) + inner
        alive = {buffer for buffer in alive if buffer.last_use > time}


def _buffer_for(step: Step, value: Value, given: Sequence[_Buffer], time: int) -> _Buffer:
    if step.name in VIEWS:
        return given[0]
    if step.name in ELEMENTWISE:
        for buffer in given:
            if buffer.last_use == time and buffer.nbytes == value.nbytes:
                return buffer
    return _Buffer(value.nbytes)


def _extra(body: Program, step: Step, buffers: dict[Value, _Buffer]) -> int:
    """How much more than its operands and results a loop's body has alive."""
    # The operands of `cond` begin with the choice; those of a `while` are the constants of both its programs and more.
    operands = step.inputs[-len(body.inputs) :] if body.inputs else ()
    inputs = [inner for inner, value in zip(body.inputs, operands, strict=True) if value in buffers]
    most = max((nbytes for _, nbytes in live_bytes(body, inputs)), default=0)
    return max(0, most - sum(value.nbytes for value in (*inputs, *body.outputs)))
