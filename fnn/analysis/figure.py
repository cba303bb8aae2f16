"""What all pictures share: figures without a display, and lines that everybody can tell apart."""

from typing import Any

BLUE, ORANGE, GREEN, PURPLE, SKY, BLACK = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#000000"
"""Told apart by the colour-blind (Okabe & Ito 2008)."""

LINES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-", "marker": "o"},
    {"color": ORANGE, "linestyle": "--", "marker": "s"},
    {"color": GREEN, "linestyle": "-.", "marker": "^"},
    {"color": PURPLE, "linestyle": ":", "marker": "D"},
    {"color": BLACK, "linestyle": (0, (6, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": SKY, "linestyle": (0, (3, 1)), "marker": "P"},
)
"""How the lines of one plot are drawn, in this order: also told apart without any colour."""


def make_figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """Makes a matplotlib figure and its panels, as `matplotlib.pyplot.subplots` would.

    Args:
      rows: of panels.
      columns: of panels.
      size: `(width, height)` in inches.
      **options: as for `matplotlib.figure.Figure.subplots`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not pyplot: it would choose a backend for the whole process and keep every figure.
    figure = Figure(figsize=size, layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)
