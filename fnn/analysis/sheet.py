"""A contact sheet: rows of images with a label each. matplotlib is imported where it draws."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class SheetRow(NamedTuple):
    """One row of a sheet."""

    label: str
    """At its left."""
    images: np.ndarray
    """`(images, height, width, channels)`, from 0 to 1; 3 channels are drawn in colour, else the first in grey."""
    captions: Sequence[str] | None = None
    """Under each image, if given."""


def draw_sheet(rows: Sequence[SheetRow], path: Path, title: str) -> None:
    """Draws rows of images, as a PNG. A row's are of one size; a shorter row ends sooner.

    Args:
      rows: from top to bottom.
      path: where to.
      title: above all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(len(row.images) for row in rows)
    heights = [1 + 0.17 * max((text.count("\n") + 1 for text in row.captions or ()), default=0) for row in rows]
    left, cell, top = 1.7, 0.82, 0.45  # inches
    size = (left + cell * columns + 0.1, top + cell * sum(heights) + 0.1)
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        len(rows), columns, height_ratios=heights, wspace=0.06, hspace=0.06,
        left=left / size[0], right=1 - 0.1 / size[0], top=1 - top / size[1], bottom=0.1 / size[1],
    )  # fmt: skip
    for number, row in enumerate(rows):
        for column, image in enumerate(row.images):
            axes = figure.add_subplot(grid[number, column])
            axes.imshow(
                image if image.shape[-1] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest"
            )
            axes.set_anchor("N")
            axes.set_xticks([])
            axes.set_yticks([])
            for edge in axes.spines.values():
                edge.set(color="0.6", linewidth=0.5)
            if row.captions is not None:
                longest = max(map(len, row.captions[column].split("\n")))
                axes.set_xlabel(row.captions[column], fontsize=7 if longest < 12 else 5, labelpad=2, linespacing=1.05)
            if column == 0:
                axes.set_ylabel(row.label, rotation=0, ha="right", va="center", fontsize=9, labelpad=6)
    figure.suptitle(title, fontsize=11, y=1 - 0.16 / size[1], va="top")
    figure.savefig(path, dpi=150)
