"""Pictures are drawn for every shape of run, without touching pyplot."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fnn import analysis


def record(epoch: int, validation: float | None) -> dict:
    return {
        "epoch": epoch,
        "train_loss": 1 / epoch,
        "train_accuracy": 1 - 1 / epoch,
        "validation_loss": validation,
        "validation_accuracy": validation,
    }


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("epochs", [1, 20])
def test_learning_curve_shows_validation_only_if_there_is_one(tmp_path: Path, epochs: int) -> None:
    orange = (0xD5, 0x5E, 0x00)
    for name, validation in (("with", 0.5), ("without", None)):
        history = [record(epoch, validation) for epoch in range(1, epochs + 1)]
        analysis.draw_learning_curve(history, tmp_path / f"{name}.png", "a title")
    assert np.any(np.all(pixels(tmp_path / "with.png") == orange, axis=-1))
    assert not np.any(np.all(pixels(tmp_path / "without.png") == orange, axis=-1))


def test_confusion_is_dark_where_the_counts_are(tmp_path: Path) -> None:
    for name, matrix in (("right", np.eye(3, dtype=int) * 9), ("empty", np.zeros((3, 3), int))):
        analysis.draw_confusion(matrix, ["a", "b", "c"], tmp_path / f"{name}.png", "a title")
    left = [pixels(tmp_path / f"{name}.png")[:, :-150].mean() for name in ("right", "empty")]  # without the colour bar
    assert left[0] < left[1] - 10


def test_confusion_of_many_long_names(tmp_path: Path) -> None:
    names = [f"class number {i}" for i in range(100)]
    analysis.draw_confusion(np.eye(100, dtype=int), names, tmp_path / "many.png", "a title")
    assert pixels(tmp_path / "many.png").shape[0] > 1000


def test_drawing_needs_no_display_and_no_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys, numpy, pathlib; from fnn import analysis;"
        f"analysis.draw_confusion(numpy.eye(2, dtype=int), ['a', 'b'], pathlib.Path({str(tmp_path)!r}) / 'c.png', 't');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
