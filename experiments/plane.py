"""Data in the plane, and pictures of how a classifier divides it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnn.analysis.figure import BLUE, ORANGE, make_figure
from fnn.keys import number_of

DATA = ("circles", "spirals", "moons")
"""The names that `draw` takes."""

_MARKERS, _COLOURS, _REGIONS = ("o", "^"), (BLUE, ORANGE), ("#9ecae8", "#f7c9a3")


class Points(NamedTuple):
    """Points of two classes."""

    xy: np.ndarray
    """`(points, 2)`, float32, about −1 to 1 in both directions."""
    labels: np.ndarray
    """`(points,)`, int32, 0 or 1."""


def draw(name: str, part: str, count: int, noise: float, seed: int) -> Points:
    """Draws points of two classes that no straight line separates.

    Unlike scikit-learn's, which are spaced evenly, they lie anywhere on their curve: those of a test are others.

    Args:
      name: `"circles"`, one round the other; `"spirals"`, two arms of one and a half turns; `"moons"`, two half circles
        that hook into each other.
      part: what the points are for, such as `"train"` or `"test"`: each part has points of its own.
      count: how many, one half of each class.
      noise: standard deviation of what is added to both coordinates.
      seed: of the points.
    """
    generator = np.random.default_rng([seed, number_of(f"{part}/{name}")])
    labels = np.arange(count, dtype=np.int32) % 2
    along = generator.random(count)  # the place on the curve of the point's class
    if name == "circles":
        radius, angle = np.where(labels == 0, 0.9, 0.45), 2 * np.pi * along
        xy = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    elif name == "spirals":
        radius, angle = 0.05 + 0.9 * along, np.pi * (3 * along + labels)
        xy = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    elif name == "moons":
        sign, angle = np.where(labels == 0, 1, -1), np.pi * along
        xy = np.stack([sign * (0.6 * np.cos(angle) - 0.3), sign * (0.6 * np.sin(angle) - 0.15)], axis=1)
    else:
        raise ValueError(f"no points are called {name!r}; choose one of {', '.join(DATA)}.")
    return Points((xy + noise * generator.normal(size=(count, 2))).astype(np.float32), labels)


class Window(NamedTuple):
    """The part of the plane that is drawn: a square, and how finely."""

    low: float
    high: float
    """Of both coordinates."""
    resolution: int
    """Points of the lattice along each side."""

    def lattice(self) -> np.ndarray:
        """Returns the points of the lattice, row by row: `(resolution², 2)`, float32."""
        ticks = np.linspace(self.low, self.high, self.resolution, dtype=np.float32)
        return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


class Panel(NamedTuple):
    """One classifier's division of the plane."""

    title: str
    points: Points
    """The samples that it learnt from."""
    regions: np.ndarray
    """`(resolution²,)`: the class at each point of the window's lattice, 0 or 1."""


def draw_regions(
    panels: Sequence[Panel], columns: int, window: Window, path: Path, title: str, axis_names: tuple[str, str]
) -> None:
    """Draws how classifiers divide the plane, as a PNG: a panel each, with the samples on top.

    Args:
      panels: row by row.
      columns: how many panels a row has.
      window: what of the plane.
      path: where to.
      title: above all.
      axis_names: of the horizontal and the vertical axis.
    """
    from matplotlib.colors import ListedColormap

    rows, side = -(-len(panels) // columns), 3.1 if columns <= 5 else 1.75  # inches
    figure, grid = make_figure(
        rows, columns, (side * columns, (side + 0.25) * rows + 0.8), sharex=True, sharey=True, squeeze=False
    )
    for place, (axes, panel) in enumerate(zip(grid.flat, panels, strict=False)):
        axes.imshow(
            np.reshape(panel.regions, (window.resolution, -1)), vmin=0, vmax=1, cmap=ListedColormap(_REGIONS),
            origin="lower", extent=(window.low, window.high) * 2, interpolation="nearest", aspect="auto",
        )  # fmt: skip
        few = len(panel.points.labels) < 20
        for label in (0, 1):
            chosen = panel.points.xy[panel.points.labels == label]
            axes.plot(
                *chosen.T, _MARKERS[label], color=_COLOURS[label], label=f"class {label}",
                markersize=9 if few else side * 1.2, markeredgecolor="white", markeredgewidth=0.8 if few else 0.2,
            )  # fmt: skip
        axes.set_title(panel.title, fontsize=10 if side > 3 else 8)
        axes.tick_params(labelsize=8 if side > 3 else 7)
        axes.locator_params(nbins=4)
        if place + columns >= len(panels):
            axes.set_xlabel(axis_names[0])
            axes.tick_params(labelbottom=True)
        if place % columns == 0:
            axes.set_ylabel(axis_names[1])
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    figure.suptitle(title)
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, markerscale=1 if side > 3 else 2.5)
    figure.savefig(path)
