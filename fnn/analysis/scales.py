"""The scale of what flows through a network, layer by layer."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnn.analysis.figure import BLUE, ORANGE, make_figure


class ScalePanel(NamedTuple):
    """One quantity by layer."""

    title: str
    """What it is of: `"activations"`."""
    measure: str
    """What it is: `"standard deviation"`."""
    series: Mapping[str, Sequence[float]]
    """By name, such as `"after 100 steps"`: a number a layer. Those that are zero or not finite are left out."""


def draw_scales(layers: Sequence[str], panels: Sequence[ScalePanel], path: Path, title: str) -> None:
    """Draws quantities by layer, on logarithmic axes, as a PNG.

    Args:
      layers: the names, in the order of the forward pass.
      panels: from left to right, all with the same names of series.
      path: where to.
      title: above all panels.
    """
    places = np.arange(len(layers))
    width = float(np.clip(0.3 * len(layers) + 2, 4.5, 14))
    figure, grid = make_figure(1, len(panels), (width * len(panels), 4.5))
    for axes, panel in zip(np.atleast_1d(grid), panels, strict=True):
        styles = cycle(((BLUE, "o", "-"), (ORANGE, "s", "--")))
        for (name, numbers), (colour, marker, line) in zip(panel.series.items(), styles, strict=False):
            shown = np.asarray(numbers, np.float64)
            shown = np.where(np.isfinite(shown) & (shown > 0), shown, np.nan)
            axes.plot(places, shown, color=colour, marker=marker, markersize=4, linestyle=line, label=name)
        axes.set(xlabel="layer", ylabel=panel.measure, title=panel.title, yscale="log", xlim=(-0.5, len(layers) - 0.5))
        step = max(1, len(layers) // 40)
        axes.set_xticks(places[::step], layers[::step], rotation=90, fontsize=8)
        axes.grid(alpha=0.3)
    names = np.atleast_1d(grid)[0].get_legend_handles_labels()
    figure.legend(*names, loc="outside lower center", ncols=2)  # inside of a panel it would hide points
    figure.suptitle(title)
    figure.savefig(path)
