"""What a classifier gets wrong: which classes it takes for which, and the images that it finds hardest."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnn.analysis.sheet import SheetRow, draw_sheet

COLUMNS = 8
"""Images a row."""


class Confusion(NamedTuple):
    """One class taken for another."""

    true: str
    predicted: str
    images: int
    """How many images of the one were taken for the other."""


def most_confused(matrix: np.ndarray, class_names: Sequence[str], most: int = 5) -> list[Confusion]:
    """Lists which classes were most often taken for which others, the most frequent first.

    Args:
      matrix: `(classes, classes)`: how often each class (row) was taken for each class (column).
      class_names: of the classes.
      most: how many pairs at most; those that never were confused are left out.
    """
    wrong = np.array(matrix)
    np.fill_diagonal(wrong, 0)
    order = [divmod(int(place), len(wrong)) for place in np.argsort(-wrong, axis=None, kind="stable")[:most]]
    return [Confusion(class_names[i], class_names[j], int(wrong[i, j])) for i, j in order if wrong[i, j]]


def hardest(losses: np.ndarray, most: int = 4 * COLUMNS) -> np.ndarray:
    """Returns the numbers of the samples with the highest losses, `(≤ most,)`, the highest first."""
    return np.argsort(-np.asarray(losses), kind="stable")[:most]


def draw_hardest(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    losses: np.ndarray,
    class_names: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Draws images in rows, each with its loss, its class, and what it was taken for where that is another, as a PNG.

    Args:
      images: `(images, height, width, channels)`, uint8, in the order in which they are drawn.
      labels: `(images,)`.
      predictions: `(images,)`.
      losses: `(images,)`.
      class_names: of the classes.
      path: where to.
      title: above all.
    """
    captions = [
        f"{class_names[label]}\n{'right' if label == predicted else f'as {class_names[predicted]}'}, {loss:.1f}"
        for label, predicted, loss in zip(labels, predictions, losses, strict=True)
    ]
    rows = [
        SheetRow(
            f"loss {losses[start]:.2g}\nto {losses[min(start + COLUMNS, len(losses)) - 1]:.2g}",
            images[start : start + COLUMNS] / 255,
            captions[start : start + COLUMNS],
        )
        for start in range(0, len(images), COLUMNS)
    ]
    draw_sheet(rows, path, title)
