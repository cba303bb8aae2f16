"""A circuit as a drawing: from left to right, values above the wires, gradients below."""

import math
from dataclasses import replace
from html import escape

import numpy as np

from fnn.analysis.circuit.elements import Elements, Node
from fnn.analysis.circuit.layout import Lane, lay_out
from fnn.analysis.circuit.shapes import FONT, LINE, Shape, Text, make_shapes, text_width
from fnn.analysis.circuit.strips import Strip, cut

MARGIN, GAP = 16.0, 30.0
"""Around the drawing, and between two columns or lines, at least."""

# Values are blue and gradients vermilion, which the colour-blind tell apart.
STYLE = (
    f"text{{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:{FONT}px;fill:#1f2328}}"
    ".forward{fill:#005a9c}.gradient{fill:#b84700}.quiet{fill:#6e7781}.title{font-weight:bold}"
    ".wire{fill:none;stroke:#8c959f;stroke-width:1.2}"
    ".input{fill:#fff8c5;stroke:#bf8700}.constant{fill:#f6f8fa;stroke:#8c959f;stroke-dasharray:4 3}"
    ".operation{fill:#ffffff;stroke:#57606a}.layer{fill:#ddf4ff;stroke:#0969da}"
)


def to_svg(elements: Elements, width: float | None) -> str:
    """Draws a circuit; after `width` pixels it goes on in a new line.

    Inputs that nothing reads, such as a state that training replaces, are left out.
    """
    elements = _only_read(elements)
    shapes, wires = make_shapes(elements)
    values = [(node, value, output) for node, n in enumerate(elements.nodes) for output, value in enumerate(n.outputs)]
    names = {(node, output): value.name for node, value, output in values}
    legend = "Above: the value. Below: the gradient."
    if any(value.array.ndim for _, value, _ in values):
        legend += " Of an array: mean ± standard deviation ‖norm‖."
    parts: list[str] = []
    y, right = MARGIN + 2 * LINE, MARGIN + text_width(legend)
    for strip in cut(shapes, wires, names, math.inf if width is None else width - 2 * MARGIN):
        drawn, wide, high = _draw_strip(strip)
        parts += [f'<g transform="translate({MARGIN} {y:.1f})">', *drawn, "</g>"]
        y += high + 2 * GAP
        right = max(right, MARGIN + wide)
    right, bottom = math.ceil(right + MARGIN), math.ceil(y - 2 * GAP + MARGIN)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{right}" height="{bottom}" '
            f'viewBox="0 0 {right} {bottom}">',
            f"<style>{STYLE}</style>",
            f'<rect width="{right}" height="{bottom}" fill="white"/>',
            _write(Text(MARGIN, MARGIN + FONT, legend, "quiet")),
            *parts,
            "</svg>\n",
        ]
    )


def _only_read(elements: Elements) -> Elements:
    """Leaves out the inputs that no wire leads from, unless the function returns them."""
    sources = {edge.source for edge in elements.edges}
    number: dict[int, int] = {}
    for i, node in enumerate(elements.nodes):
        if i in sources or node.kind != "input" or _has_gradient(node):
            number[i] = len(number)
    edges = [replace(edge, source=number[edge.source], target=number[edge.target]) for edge in elements.edges]
    return Elements(tuple(elements.nodes[i] for i in number), tuple(edges))


def _has_gradient(node: Node) -> bool:
    return any(value.gradient is not None and bool(np.any(value.gradient)) for value in node.outputs)


def _draw_strip(strip: Strip) -> tuple[list[str], float, float]:
    """Draws one line from its upper left corner; returns the drawing, its width and its height."""
    boxes = [shape.box for shape in strip.shapes]
    layout = lay_out(boxes, strip.wires, strip.column_of)
    columns = max(strip.column_of) + 1
    widths, gaps = [0.0] * columns, [GAP] * columns
    for box, column in zip(boxes, strip.column_of, strict=True):
        widths[column] = max(widths[column], box.width)

    def column_of(end: int | Lane) -> int:
        return end.column if isinstance(end, Lane) else strip.column_of[end]

    for piece in layout.pieces:
        column = column_of(piece.source)
        gaps[column] = max(gaps[column], min(GAP + 0.15 * abs(piece.end - piece.start), 4 * GAP))
    lefts, x = [], 0.0
    for wide, gap in zip(widths, gaps, strict=True):
        lefts.append(x)
        x += wide + gap if wide else 0.0
    rights = [left + wide for left, wide in zip(lefts, widths, strict=True)]
    # What nothing leads to stands near what reads it, all else near what it reads.
    xs = [
        lefts[column] if box.ins else rights[column] - box.width
        for box, column in zip(boxes, strip.column_of, strict=True)
    ]
    top = min(layout.ys)

    parts: dict[str, None] = {}  # without repetitions, in order
    for piece in layout.pieces:
        start, end = piece.start - top, piece.end - top
        leave, arrive = rights[column_of(piece.source)], lefts[column_of(piece.target)]
        if not isinstance(piece.source, Lane):
            parts[_line(xs[piece.source] + boxes[piece.source].width, leave, start)] = None
        parts[_curve(leave, start, arrive, end)] = None
        if isinstance(piece.target, Lane):
            parts[_line(arrive, rights[piece.target.column], end)] = None
        else:
            parts[_line(arrive, xs[piece.target] + strip.shapes[piece.target].left, end, arrow=True)] = None
    shapes = [_draw_shape(shape, x, y - top) for shape, x, y in zip(strip.shapes, xs, layout.ys, strict=True)]
    bottom = max(y + box.height for y, box in zip(layout.ys, boxes, strict=True))
    return [*parts, *shapes], max(rights), bottom - top


def _draw_shape(shape: Shape, x: float, y: float) -> str:
    """Draws a box with what is written in it and at its wires."""
    texts = "".join(_write(text._replace(x=text.x + x, y=text.y + y)) for text in shape.texts)
    if shape.kind == "reference":
        return texts
    wires = "".join(_line(x + shape.right, x + shape.box.width, y + out) for out in shape.box.outs)
    rect = (
        f'<rect class="{shape.kind}" x="{x + shape.left:.1f}" y="{y + shape.top:.1f}" '
        f'width="{shape.right - shape.left:.1f}" height="{shape.bottom - shape.top:.1f}" rx="6"/>'
    )
    return f"<g><title>{escape(shape.tip)}</title>{wires}{rect}{texts}</g>"


def _write(text: Text) -> str:
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    look = f' class="{text.look}"' if text.look else ""
    return f'<text x="{text.x:.1f}" y="{text.y:.1f}"{look}{anchor}>{escape(text.words)}</text>'


def _line(x0: float, x1: float, y: float, *, arrow: bool = False) -> str:
    head = f'<path d="M{x1 - 6:.1f} {y - 3.5:.1f}L{x1:.1f} {y:.1f}L{x1 - 6:.1f} {y + 3.5:.1f}" class="wire"/>'
    return f'<path d="M{x0:.1f} {y:.1f}H{x1:.1f}" class="wire"/>' + (head if arrow else "")


def _curve(x0: float, y0: float, x1: float, y1: float) -> str:
    middle = (x0 + x1) / 2
    return f'<path d="M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}" class="wire"/>'
