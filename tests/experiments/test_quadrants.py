"""Learning rates and the way of transfer are chosen on validation images, and only then tested."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.quadrants import FROM_SCRATCH, Found, best_rate, draw_quadrants, gain


def test_the_rate_is_that_of_the_best_mean_on_validation_images_whatever_the_test_says() -> None:
    validation = np.array([[0.9, 0.1], [0.6, 0.6], [0.5, 0.5]])
    found = best_rate([0.1, 0.2, 0.3], validation, np.array([[1.0, 1.0], [0.2, 0.4], [0.9, 0.9]]))
    assert found.rate == 0.2
    np.testing.assert_array_equal(found.validation, [0.6, 0.6])
    np.testing.assert_array_equal(found.test, [0.2, 0.4])
    told = found.told()
    assert told["mean"] == pytest.approx(0.3)
    assert told["deviation"] == pytest.approx(0.2 / np.sqrt(2))
    assert told["accuracies"] == [0.2, 0.4]
    assert told["validation_accuracy"] == pytest.approx(0.6)
    assert str(found) == "0.300 ± 0.141"


def test_the_gain_is_of_the_way_that_validation_chose_seed_by_seed() -> None:
    ways = {
        FROM_SCRATCH: found([0.9, 0.9, 0.9], [0.2, 0.5, 0.8]),
        "one": found([0.5, 0.5, 0.5], [0.9, 0.9, 0.9]),
        "two": found([0.6, 0.6, 0.6], [0.3, 0.7, 1.1]),
    }
    of = gain(ways)
    assert of["way"] == "two"
    assert of["gain"] == pytest.approx(0.2)
    assert of["standard_error"] == pytest.approx(0.1 / np.sqrt(3))


def test_four_quadrants_are_drawn(tmp_path: Path) -> None:
    ways = {FROM_SCRATCH: found([0.5, 0.5], [0.4, 0.6]), "everything": found([0.5, 0.5], [0.7, 0.9])}
    draw_quadrants(dict.fromkeys(["a", "b"], ways) | dict.fromkeys(["c", "d"], ways), tmp_path / "q.png", "title")
    with Image.open(tmp_path / "q.png") as image:
        assert min(image.size) > 300


def found(validation: list[float], test: list[float]) -> Found:
    return Found(0.1, np.array(validation), np.array(test))
