"""The scale of what flows through a network, layer by layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fnn.analysis.pictures import BLUE, ORANGE, _figure, _save


def draw_scales(
    layers: Sequence[str], panels: Mapping[str, Mapping[str, Sequence[float]]], path: Path, title: str
) -> None:
    """Draws positive numbers by layer, on a logarithmic axis, as a PNG.

    Args:
      layers: the names, in the order of the forward pass.
      panels: for each quantity, such as `"standard deviation of the outputs"`, one or two series by name, each with a
        number a layer; those that are zero or not finite are left out.
      path: where to.
      title: above all panels.
    """
    places = np.arange(len(layers))
    width = float(np.clip(0.3 * len(layers) + 2, 4.5, 14))
    figure, axes = _figure(1, len(panels), figsize=(width * len(panels), 4.2))
    for panel, (what, series) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        styles = ((BLUE, "o", "-"), (ORANGE, "s", "--"))
        for (name, numbers), (colour, marker, line) in zip(series.items(), styles, strict=False):
            shown = np.asarray(numbers, np.float64)
            shown = np.where(np.isfinite(shown) & (shown > 0), shown, np.nan)
            panel.plot(places, shown, color=colour, marker=marker, markersize=4, linestyle=line, label=name)
        panel.set(xlabel="layer", ylabel=what, title=what)
        panel.set_yscale("log")
        panel.set_xlim(-0.5, len(layers) - 0.5)
        step = max(1, len(layers) // 40)
        panel.set_xticks(places[::step], layers[::step], rotation=90, fontsize=8)
        panel.grid(alpha=0.3)
        panel.legend()
    figure.suptitle(title)
    _save(figure, path)
