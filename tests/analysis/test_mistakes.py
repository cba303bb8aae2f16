"""What a classifier gets wrong, counted and drawn."""

from pathlib import Path

import numpy as np
from PIL import Image

from fnn import analysis


def test_the_most_frequent_confusions_come_first_and_right_answers_are_none() -> None:
    matrix = np.array([[9, 2, 0], [5, 8, 1], [0, 2, 7]])
    found = analysis.most_confused(matrix, ("cat", "dog", "eel"))
    assert found == [("dog", "cat", 5), ("cat", "dog", 2), ("eel", "dog", 2), ("dog", "eel", 1)]
    assert analysis.most_confused(matrix, ("cat", "dog", "eel"), most=1) == [("dog", "cat", 5)]
    assert analysis.most_confused(np.diag([3, 4]), ("cat", "dog")) == []
    assert matrix[0, 0] == 9


def test_the_hardest_are_those_with_the_highest_loss() -> None:
    assert analysis.hardest(np.array([0.1, 3.0, 2.0, 3.0]), 3).tolist() == [1, 3, 2]


def test_they_are_drawn_in_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for count in (1, 8, 11):
        images = random.integers(0, 256, (count, 6, 5, 3), np.uint8)
        labels = np.arange(count) % 3
        analysis.draw_hardest(
            images, labels, np.zeros(count, int), np.linspace(4, 0, count), ("cat", "dog", "eel"),
            tmp_path / f"{count}.png", "the hardest",
        )  # fmt: skip
    sizes = []
    for count in (1, 8, 11):
        with Image.open(tmp_path / f"{count}.png") as image:
            sizes.append(image.size)
    assert sizes[0][0] < sizes[1][0] == sizes[2][0]
    assert sizes[1][1] < sizes[2][1]
