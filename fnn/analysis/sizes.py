"""Networks by what they hold and what they compute, as a chart. matplotlib is imported where it draws."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

MARKS = (
    ("#0072b2", "o"),
    ("#d55e00", "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#e69f00", "v"),
    ("#56b4e9", "P"),
    ("#000000", "X"),
)
"""Colours that the colour-blind tell apart (Okabe & Ito 2008), each with a shape of its own."""


class Size(NamedTuple):
    """One network."""

    name: str
    family: str
    """Networks of one family are marked alike."""
    parameters: int
    multiply_adds: int
    """For one image."""


def draw_sizes(sizes: Sequence[Size], path: Path, title: str) -> None:
    """Draws parameters against multiply-adds, both on logarithmic axes, a labelled point for each network, as a PNG.

    Args:
      sizes: the networks; at most seven families are told apart.
      path: where to.
      title: above the chart.

    Raises:
      ValueError: if there are more families.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    families = list(dict.fromkeys(size.family for size in sizes))
    if len(families) > len(MARKS):
        raise ValueError(f"draw_sizes tells {len(MARKS)} families apart, got {len(families)}: {', '.join(families)}.")
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for family, (colour, marker) in zip(families, MARKS, strict=False):
        inside = [size for size in sizes if size.family == family]
        axes.scatter(
            [size.multiply_adds for size in inside],
            [size.parameters for size in inside],
            s=70, color=colour, marker=marker, edgecolor="white", linewidth=0.8, zorder=3, label=family,
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", title=title)
    axes.set_xlabel("multiply-adds for one image")
    axes.set_ylabel("parameters")
    axes.margins(0.1)
    axes.grid(alpha=0.3)
    axes.legend(title="family", loc="upper left")
    canvas.draw()  # only now is it known where the points are
    _label(axes, sizes)
    figure.savefig(path, dpi=150)


def _label(axes: Any, sizes: Sequence[Size]) -> None:
    """Writes each name beside its point, where it covers no other name, point or the legend."""
    renderer = axes.figure.canvas.get_renderer()
    points = [axes.transData.transform((size.multiply_adds, size.parameters)) for size in sizes]
    taken = [axes.get_legend().get_window_extent(renderer)]
    for size, (x, y) in zip(sizes, points, strict=True):
        text = axes.text(size.multiply_adds, size.parameters, size.name, fontsize=9, zorder=4)
        around = [
            (9, 0, "left", "center"),
            (-9, 0, "right", "center"),
            (0, 9, "center", "bottom"),
            (0, -9, "center", "top"),
        ]
        corners = [
            (7, 7, "left", "bottom"),
            (7, -7, "left", "top"),
            (-7, 7, "right", "bottom"),
            (-7, -7, "right", "top"),
        ]
        far = [(2 * dx, 2 * dy, *sides) for dx, dy, *sides in (*around, *corners)]
        choices = []
        for dx, dy, horizontal, vertical in (*around, *corners, *far):
            text.set(ha=horizontal, va=vertical, position=axes.transData.inverted().transform((x + dx, y + dy)))
            box = text.get_window_extent(renderer)
            covered = sum(box.overlaps(other) for other in taken)
            covered += sum(bool(box.padded(4).contains(*point)) for point in points)
            outside = not axes.bbox.contains(box.x0, box.y0) or not axes.bbox.contains(box.x1, box.y1)
            choices.append((covered + 2 * outside, len(choices), text.get_position(), horizontal, vertical, box))
        _, _, position, horizontal, vertical, box = min(choices, key=lambda choice: choice[:2])
        text.set(ha=horizontal, va=vertical, position=position)
        taken.append(box)
