"""Pictures of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fnn.analysis.figure import BLUE, ORANGE, make_figure


def draw_learning_curve(history: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Draws loss and accuracy by epoch, on training and validation samples, as a PNG.

    Args:
      history: one mapping an epoch, with `epoch`, `train_loss`, `train_accuracy`, and `validation_loss` and
        `validation_accuracy`, which may be None.
      path: where to.
      title: above both curves.
    """
    figure, panels = make_figure(1, 2, (9, 3.6))
    epochs = [record["epoch"] for record in history]
    marker = "o" if len(epochs) == 1 else None  # a line through one point would not show
    for axes, what in zip(panels, ("loss", "accuracy"), strict=True):
        training, validation = ([record[f"{part}_{what}"] for record in history] for part in ("train", "validation"))
        axes.plot(epochs, training, color=BLUE, marker=marker, label="training (while learning)")
        if validation[0] is not None:
            axes.plot(epochs, validation, color=ORANGE, marker=marker, linestyle="--", label="validation")
        axes.set(xlabel="epoch", ylabel=what, title=what)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
        if what == "loss" and min(training) > 0:
            axes.set_yscale("log")
    figure.suptitle(title)
    figure.savefig(path)


def draw_confusion(matrix: np.ndarray, class_names: Sequence[str], path: Path, title: str) -> None:
    """Draws how often each class (row) was taken for each class (column), as a PNG.

    Colours show the share of each row, numbers the counts; where they are too many to read, colours only.
    """
    classes = len(class_names)
    size = float(np.clip(0.45 * classes + 2, 4, 14))
    figure, axes = make_figure(1, 1, (size + 0.8, size))
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.046)
    if classes <= 30:
        for row, column in np.argwhere(matrix):
            shade = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=shade, fontsize=9)
    steps = range(0, classes, max(1, classes // 30))
    axes.set_xticks(steps, [class_names[i] for i in steps], rotation=90 if max(map(len, class_names)) > 2 else 0)
    axes.set_yticks(steps, [class_names[i] for i in steps])
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    figure.savefig(path)


def draw_range_test(
    rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, suggestion: float, path: Path, title: str
) -> None:
    """Draws the loss at each learning rate of a range test, as a PNG; see `fnn.train.range_test`.

    Args:
      rates: `(steps,)`.
      losses: `(steps,)`.
      smoothed: `(steps,)`: their moving average.
      suggestion: a rate.
      path: where to.
      title: above.
    """
    figure, axes = make_figure(1, 1, (6.5, 4))
    axes.plot(rates, losses, color="0.75", linewidth=1, label="of each step's batch")
    axes.plot(rates, smoothed, color=BLUE, label="moving average")
    axes.axvline(suggestion, color=ORANGE, linestyle="--", label=f"suggestion: {suggestion:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss", title=title)
    axes.set_ylim(0, 1.5 * max(smoothed[0], float(np.median(smoothed))))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
