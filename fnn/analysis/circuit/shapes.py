"""How each node of a circuit is drawn: a box with words in it, and values and gradients at its wires."""

from typing import NamedTuple

from fnn.analysis.circuit.elements import Elements, Node, Value
from fnn.analysis.circuit.layout import Box, Wire
from fnn.analysis.circuit.text import describe, describe_shape

FONT, LINE = 11.0, 14.0
"""The size of letters and the distance of lines, in pixels."""
PADDING, STUB = 8.0, 14.0
"""Around the words in a box; of a wire without words on it."""


class Text(NamedTuple):
    """Words at a place."""

    x: float
    y: float
    """Of the baseline."""
    words: str
    look: str
    """`"forward"`, `"gradient"`, `"title"`, `"quiet"`."""
    anchor: str = "start"


class Shape(NamedTuple):
    """A node's drawing. All places are measured from its upper left corner."""

    kind: str
    box: Box
    """What it takes, with the words at its wires."""
    left: float
    right: float
    top: float
    bottom: float
    """Where in it its rectangle is."""
    texts: list[Text]
    tip: str
    """What a browser shows when the mouse is over it."""


def text_width(words: str) -> float:
    """Returns how wide words are: every letter of a monospaced font is as wide."""
    return 0.64 * FONT * len(words)


def make_shapes(elements: Elements) -> tuple[list[Shape], list[Wire]]:
    """Returns a shape for each node, and the wires between them."""
    ways: dict[tuple[int, int], int] = {}
    for edge in elements.edges:
        ways[edge.source, edge.output] = ways.get((edge.source, edge.output), 0) + 1
    arriving: list[list[str]] = [[] for _ in elements.nodes]
    wires: list[Wire] = []
    for edge in elements.edges:
        wires.append(Wire(edge.source, edge.output, edge.target, len(arriving[edge.target])))
        alone = ways[edge.source, edge.output] == 1  # then the gradient stands at the wire's other end
        arriving[edge.target].append("" if alone or edge.gradient is None else describe(edge.gradient))
    return [_make_shape(node, words) for node, words in zip(elements.nodes, arriving, strict=True)], wires


def _make_shape(node: Node, arriving: list[str]) -> Shape:
    lines = _title(node) + [line for value in node.parameters for line in _parameter(node, value)]
    inner = LINE * len(lines) + PADDING
    above = [_above(node, value) for value in node.outputs]
    rises = [LINE * len(words) + 2 for words in above]
    rows = [
        rise + (LINE if value.gradient is not None else 2) + 2 for rise, value in zip(rises, node.outputs, strict=True)
    ]
    arrivals = [LINE + 6 if words else LINE for words in arriving]
    height = max(inner, sum(rows), sum(arrivals))

    ins, y = [], (height - sum(arrivals)) / 2
    for arrival in arrivals:
        ins.append(y + (4 if arrival > LINE else arrival / 2))
        y += arrival
    outs, y = [], (height - sum(rows)) / 2
    for row, rise in zip(rows, rises, strict=True):
        outs.append(y + rise)
        y += row

    left = max((text_width(words) + 10 for words in arriving if words), default=STUB) if arriving else 0
    right = left + max(text_width(words) for words, _ in lines) + 2 * PADDING
    written = [(words, "forward") for group in above for words in group]
    gradients = [describe(value.gradient) if value.gradient is not None else "" for value in node.outputs]
    width = right + max([text_width(words) for words, _ in written] + [text_width(g) for g in gradients] + [STUB]) + 10

    first = (height - inner) / 2 + PADDING / 2
    texts = [
        Text((left + right) / 2, first + LINE * (i + 0.78), words, look, "middle")
        for i, (words, look) in enumerate(lines)
    ]
    top = min((height - inner) / 2, *(y - 6 for y in (*ins, *outs)))  # every wire ends at the rectangle
    bottom = max((height + inner) / 2, *(y + 6 for y in (*ins, *outs)))
    for y, words, gradient in zip(outs, above, gradients, strict=True):
        for i, line in enumerate(reversed(words)):
            texts.append(Text(right + 5, y - 4 - LINE * i, line, "forward" if i == 0 else "quiet"))
        if gradient:
            texts.append(Text(right + 5, y + FONT + 1, gradient, "gradient"))
    for y, words in zip(ins, arriving, strict=True):
        if words:
            texts.append(Text(left - 5, y + FONT + 1, words, "gradient", "end"))
    box = Box(width, height, tuple(ins), tuple(outs))
    return Shape(node.kind, box, left, right, top, bottom, texts, _tip(node))


def make_reference(name: str, leaves: bool) -> Shape:
    """Makes the end of a wire that goes on in another line, to which it leads (`leaves`) or from which it comes."""
    width = text_width(name) + 4
    at = LINE / 2
    if leaves:
        box, text = Box(width, LINE, (at,), ()), Text(4, at + FONT / 3, name, "quiet")
        return Shape("reference", box, 0, 0, 0, LINE, [text], name)
    box, text = Box(width, LINE, (), (at,)), Text(width - 4, at + FONT / 3, name, "quiet", "end")
    return Shape("reference", box, 0, width, 0, LINE, [text], name)


def _title(node: Node) -> list[tuple[str, str]]:
    """Returns the lines of a title: a path's last name under the ones before it."""
    around, _, last = node.title.rpartition("/") if node.kind in ("input", "layer") else ("", "", node.title)
    return [(around + "/", "quiet"), (last, "title")] if around else [(last, "title")]


def _parameter(node: Node, value: Value) -> list[tuple[str, str]]:
    """Returns the lines of an input that is drawn inside a layer: its place in the layer's own parameters, and more."""
    place = value.name.partition("/")[2].removeprefix(f"{node.title.partition('#')[0]}/")
    lines = [(f"{place} {describe_shape(value.array)}".strip(), "quiet"), (describe(value.array), "forward")]
    return lines if value.gradient is None else [*lines, (describe(value.gradient), "gradient")]


def _above(node: Node, value: Value) -> list[str]:
    """Returns what stands above a wire: the value, under its shape if it is an array; with its name if it has one."""
    counted = value.name.startswith("v") and value.name[1:].isdecimal()
    name = "" if counted or value.name == node.title else value.name
    if value.array.ndim == 0:
        return [f"{name} = {describe(value.array)}" if name else describe(value.array)]
    return [f"{name} {describe_shape(value.array)}".strip(), describe(value.array)]


def _tip(node: Node) -> str:
    names = ", ".join(value.name for value in node.outputs)
    return f"{names} = {node.formula}" if node.formula else f"{names}: {node.kind}"
