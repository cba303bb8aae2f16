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


_BESIDE = [
    (dx, dy, ha, va)
    for far in (1, 2, 3, 4)
    for dx, dy, ha, va in (
        (9 * far, 0, "left", "center"),
        (-9 * far, 0, "right", "center"),
        (0, 9 * far, "center", "bottom"),
        (0, -9 * far, "center", "top"),
        (7 * far, 7 * far, "left", "bottom"),
        (7 * far, -7 * far, "left", "top"),
        (-7 * far, 7 * far, "right", "bottom"),
        (-7 * far, -7 * far, "right", "top"),
    )
]
"""Where a name may stand: pixels from its point, and which end of the name is there; the best first."""


def _label(axes: Any, sizes: Sequence[Size]) -> None:
    """Writes each name beside its point, where it covers as few other names and points as can be."""
    renderer = axes.figure.canvas.get_renderer()
    points = [axes.transData.transform((size.multiply_adds, size.parameters)) for size in sizes]
    to_data = axes.transData.inverted().transform
    taken = [axes.get_legend().get_window_extent(renderer)]
    for size, (x, y) in zip(sizes, points, strict=True):
        text = axes.text(0, 0, size.name, fontsize=9, zorder=4)
        choices = []
        for rank, (dx, dy, ha, va) in enumerate(_BESIDE):
            text.set(position=to_data((x + dx, y + dy)), ha=ha, va=va)
            box = text.get_window_extent(renderer)
            inside = axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1)
            names = sum(box.overlaps(other) for other in taken)
            marks = sum(box.padded(4).contains(*at) for at in points)
            choices.append((3 * (names + (not inside)) + marks, rank, box))
        _, rank, box = min(choices, key=lambda choice: choice[:2])
        dx, dy, ha, va = _BESIDE[rank]
        text.set(position=to_data((x + dx, y + dy)), ha=ha, va=va)
        taken.append(box)
