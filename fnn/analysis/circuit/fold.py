"""From a program and what flowed through it to nodes and wires: operations of one layer become one box."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from fnn.analysis.circuit.elements import Edge, Elements, Node, Value
from fnn.analysis.circuit.passes import Passes
from fnn.analysis.circuit.program import Operation, Program, Scope
from fnn.analysis.circuit.signs import write, write_alone

Path = tuple[Scope, ...]


class _Box(NamedTuple):
    """Operations that are drawn as one: all of a layer's turn, or a single one."""

    name: str
    """Of the layer, empty for a single operation."""
    places: list[int]
    """The operations, by their places in the program."""


def fold(
    program: Program,
    passes: Passes,
    function: str,
    depth: int | None = None,
    open: str | Iterable[str] = (),  # noqa: A002
) -> Elements:
    """Returns the nodes and wires that show a program with some of its boxes open; see `backprop`."""
    boxes = _make_boxes(program.operations, function, depth, (open,) if isinstance(open, str) else tuple(open))
    box_of = {place: i for i, box in enumerate(boxes) for place in box.places}
    readers: dict[int, list[int]] = {}
    for place, operation in enumerate(program.operations):
        for number in operation.inputs:
            if box_of[place] not in readers.setdefault(number, []):
                readers[number].append(box_of[place])
    inside = _parameters(program, boxes, readers)
    outputs = [_outputs_of(program, box, i, readers) for i, box in enumerate(boxes)]
    names = _name_values(program, boxes, outputs)
    values = {
        number: Value(names[number], passes.values[number], passes.gradients.get(number))
        for number in (*program.inputs, *program.constants, *(n for numbers in outputs for n in numbers))
    }

    nodes: list[Node] = []
    made_by: dict[int, tuple[int, int]] = {}
    for number in (*program.inputs, *program.constants):
        if number not in inside:
            made_by[number] = (len(nodes), 0)
            kind = "constant" if number in program.constants else "input"
            nodes.append(Node(kind, names[number], "", (values[number],)))
    edges: list[Edge] = []
    for i, box in enumerate(boxes):
        read = _reads(program, box)
        parameters = [number for number in read if number in inside]
        title, formula = _write_box(program, box, names, [number for number in read if number not in inside])
        for number, gradient in _gradients_by_wire(program, passes, box).items():
            if number not in inside:
                edges.append(Edge(*made_by[number], target=len(nodes), gradient=gradient))
        made_by.update({number: (len(nodes), place) for place, number in enumerate(outputs[i])})
        kind = "layer" if box.name else "operation"
        made = tuple(values[number] for number in outputs[i])
        nodes.append(Node(kind, title, formula, made, tuple(values[number] for number in parameters)))
    return Elements(tuple(nodes), tuple(edges))


def _make_boxes(
    operations: Sequence[Operation], function: str, depth: int | None, patterns: Sequence[str]
) -> list[_Box]:
    """Puts operations that stand next to each other in one closed scope into one box.

    Operations stand in the order in which the function computed them, so that nothing between two of a box can depend
    on the one and be needed by the other: boxes never make a circle.
    """
    if depth is not None and depth < 0:
        raise ValueError(f"depth must be at least 0, got {depth}")
    opened = _opened(operations, patterns)
    around_layers = {
        operation.path[:end]
        for operation in operations
        for end in range(1, len(operation.path))
        if any(not scope.is_function for scope in operation.path[end:])
    }

    def closed(path: Path) -> Path | None:
        """Returns the outermost closed scope around an operation, by its path."""
        for end in range(len(path) + 1):
            is_innermost = end > 0 and path[:end] not in around_layers
            if path[:end] not in opened and (is_innermost or (depth is not None and end >= depth)):
                return path[:end]
        return None

    boxes: list[_Box] = []
    turns: dict[str, int] = {}
    for scope, run in groupby(range(len(operations)), key=lambda place: closed(operations[place].path)):
        if scope is None:
            boxes += [_Box("", [place]) for place in run]
            continue
        name = _name_of(scope) or function
        turn = turns[name] = turns.get(name, 0) + 1
        boxes.append(_Box(name if turn == 1 else f"{name}#{turn}", list(run)))
    return boxes


def _opened(operations: Sequence[Operation], patterns: Sequence[str]) -> set[Path]:
    """Returns the scopes that patterns open: those that they match, and those around them."""
    paths = {operation.path[:end]: None for operation in operations for end in range(1, len(operation.path) + 1)}
    opened: set[Path] = set()
    for pattern in patterns:
        matching = [path for path in paths if fnmatchcase(_name_of(path), pattern)]
        if not matching and pattern != "*":
            names = ", ".join(dict.fromkeys(map(_name_of, paths))) or "none"
            raise ValueError(f"open={pattern!r} names no box of this circuit; there are {names}")
        opened |= {path[:end] for path in matching for end in range(len(path) + 1)}
    return opened


def _name_of(path: Path) -> str:
    return "/".join(scope.name for scope in path)


def _reads(program: Program, box: _Box) -> list[int]:
    """Returns the values that a box reads and does not make, in the order in which it does."""
    made = {number for place in box.places for number in program.operations[place].outputs}
    read = [number for place in box.places for number in program.operations[place].inputs]
    return [number for number in dict.fromkeys(read) if number not in made]


def _parameters(program: Program, boxes: Sequence[_Box], readers: Mapping[int, Sequence[int]]) -> set[int]:
    """Returns the inputs that are drawn inside a layer: the leaves of a tree that it alone reads."""
    return {
        number
        for number in program.inputs
        if program.names[number] != program.roots[number]
        and number not in program.outputs
        and len(readers.get(number, ())) == 1
        and boxes[readers[number][0]].name
    }


def _outputs_of(program: Program, box: _Box, place: int, readers: Mapping[int, Sequence[int]]) -> list[int]:
    """Returns the values of a box that others read or that the function returns."""
    made = [number for at in box.places for number in program.operations[at].outputs]
    return [number for number in made if number in program.outputs or any(r != place for r in readers.get(number, ()))]


def _name_values(program: Program, boxes: Sequence[_Box], outputs: Sequence[Sequence[int]]) -> dict[int, str]:
    """Names every value once: as it was named, after the layer that makes it, or by counting."""
    names: dict[int, str] = {}
    taken: dict[str, int] = {}

    def give(number: int, name: str) -> None:
        turn = taken[name] = taken.get(name, 0) + 1
        names[number] = name if turn == 1 else f"{name}#{turn}"

    for number in program.inputs:
        give(number, program.names[number])
    for place, number in enumerate(program.constants):
        give(number, program.names.get(number, f"constant{place + 1}"))
    count = 0
    for box, numbers in zip(boxes, outputs, strict=True):
        for place, number in enumerate(numbers):
            if number in program.names:
                give(number, program.names[number])
            elif box.name:
                give(number, box.name if len(numbers) == 1 else f"{box.name}[{place}]")
            else:
                count += 1
                give(number, f"v{count}")
    return names


def _write_box(program: Program, box: _Box, names: Mapping[int, str], read: Sequence[int]) -> tuple[str, str]:
    """Returns what stands in a box, and how it is computed."""
    if box.name:
        return box.name, f"{box.name.rsplit('/', 1)[-1]}({', '.join(names[number] for number in read)})"
    operation = program.operations[box.places[0]]
    title = write_alone(operation.sign, [o if isinstance(o, str) else None for o in operation.operands])
    return title, write(operation.sign, [o if isinstance(o, str) else names[o] for o in operation.operands])


def _gradients_by_wire(program: Program, passes: Passes, box: _Box) -> dict[int, np.ndarray | None]:
    """Adds up what came back from a box to each value that it reads."""
    total: dict[int, Any] = dict.fromkeys(_reads(program, box))
    for place in box.places:
        for at, number in enumerate(program.operations[place].inputs):
            gradient = passes.contributions.get((place, at))
            if number in total and gradient is not None:
                total[number] = gradient if total[number] is None else total[number] + gradient
    return total
