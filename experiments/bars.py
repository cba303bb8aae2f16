"""A picture of accuracies beside each other."""

from collections.abc import Container, Mapping
from pathlib import Path

from fnn.analysis.figure import BLUE, ORANGE, make_figure


def draw_accuracies(accuracies: Mapping[str, float], highlighted: Container[str], path: Path, title: str) -> None:
    """Draws a bar with its number for each accuracy, as a PNG.

    Args:
      accuracies: from top to bottom, by what they are of.
      highlighted: which of them have another colour.
      path: where to.
      title: above all.
    """
    figure, axes = make_figure(1, 1, (7, 0.45 * len(accuracies) + 1.3))
    colours = [ORANGE if name in highlighted else BLUE for name in accuracies]
    bars = axes.barh(list(accuracies), list(accuracies.values()), color=colours)
    axes.bar_label(bars, [f"{accuracy:.3f}" for accuracy in accuracies.values()], padding=3)
    axes.set(xlim=(0, 1.12), xlabel="test accuracy", title=title)
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")
    axes.set_axisbelow(True)
    figure.savefig(path)
