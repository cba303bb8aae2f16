"""A drawing that is too wide goes on in a new line: each is a drawing of its own, with references to the others."""

from collections.abc import Sequence
from typing import NamedTuple

from fnn.analysis.circuit.layout import Wire, assign_columns
from fnn.analysis.circuit.shapes import Shape, make_reference

ROOM = 50.0
"""About what the space between two columns takes, in pixels."""


class Strip(NamedTuple):
    """One line of a drawing."""

    shapes: list[Shape]
    """Its nodes, and references to values that come from a line above or are needed in a line below."""
    wires: list[Wire]
    column_of: list[int]
    """The column of each shape."""


def cut(shapes: Sequence[Shape], wires: Sequence[Wire], names: dict[tuple[int, int], str], width: float) -> list[Strip]:
    """Puts shapes into columns, and as many columns into a line as its width allows.

    Args:
      shapes: in an order in which no wire leads back.
      wires: between them.
      names: of the values, by shape and output.
      width: what a line may take, in pixels, if not one column takes more.
    """
    column_of = assign_columns(len(shapes), wires)
    columns = range(max(column_of, default=-1) + 1)
    widths, inputs = [0.0 for _ in columns], [0.0 for _ in columns]
    for shape, column in zip(shapes, column_of, strict=True):
        widths[column] = max(widths[column], shape.box.width)
        inputs[column] = max(inputs[column], 0.0 if shape.box.ins else shape.box.width + ROOM)
    spare = 2 * max((make_reference(name, leaves=True).box.width for name in names.values()), default=0)

    def lines(width: float) -> list[int]:
        """Returns the line of each column."""
        line_of, used = [], 0.0
        for column, wide in enumerate(widths):
            next_line = column > 0 and used + wide + spare > width
            line_of.append((line_of or [0])[-1] + next_line)
            used = (inputs[column - 1] if next_line else used) + wide + ROOM
        return line_of

    line_of = lines(width)
    if line_of and line_of[-1]:  # lines of about the same length: the least width that takes no more of them
        line_of = next(found for share in range(50, 101, 2) if (found := lines(width * share / 100))[-1] == line_of[-1])
    number_of_lines = (line_of or [-1])[-1] + 1
    line_of_shape = [line_of[column] for column in column_of]
    for wire in sorted(wires, key=lambda wire: -column_of[wire.target]):
        if not shapes[wire.source].box.ins:  # an input goes with its first reader
            line_of_shape[wire.source] = line_of[column_of[wire.target]]
    return [
        _make_strip(shapes, wires, names, column_of, line_of_shape, line, line_of.index(line))
        for line in range(number_of_lines)
    ]


def _make_strip(
    shapes: Sequence[Shape],
    wires: Sequence[Wire],
    names: dict[tuple[int, int], str],
    column_of: Sequence[int],
    line_of: Sequence[int],
    line: int,
    first: int,
) -> Strip:
    """Collects what stands in one line, whose first column is the second of the strip: references stand before it."""
    inside = [i for i in range(len(shapes)) if line_of[i] == line]
    number = {i: place for place, i in enumerate(inside)}
    strip = Strip([shapes[i] for i in inside], [], [column_of[i] - first + 1 for i in inside])
    entries: dict[tuple[int, int], int] = {}
    exits: set[tuple[int, int]] = set()

    def refer(value: tuple[int, int], column: int, leaves: bool) -> int:
        strip.shapes.append(make_reference(names[value], leaves))
        strip.column_of.append(column)
        return len(strip.shapes) - 1

    for wire in sorted(wires, key=lambda wire: column_of[wire.target]):
        value = (wire.source, wire.output)
        if wire.target in number and wire.source in number:
            strip.wires.append(wire._replace(source=number[wire.source], target=number[wire.target]))
        elif wire.target in number:
            target = number[wire.target]
            if value not in entries:  # the leftmost reader comes first
                entries[value] = refer(value, strip.column_of[target] - 1, leaves=False)
            strip.wires.append(Wire(entries[value], 0, target, wire.input))
        elif wire.source in number and value not in exits:
            exits.add(value)
            source = number[wire.source]
            strip.wires.append(Wire(source, wire.output, refer(value, strip.column_of[source] + 1, leaves=True), 0))
    return strip
