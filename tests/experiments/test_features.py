"""A table of features and what they are worth."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


def test_the_table_has_a_row_for_each_way_of_describing(run: Run) -> None:
    result = run("features", "--epochs=4", "--filters=4", "--per_class=30", "--learning_rate=0.05")
    table = result["accuracies"]
    counts = {name: (row["features"], row["parameters"]) for name, row in table.items()}
    assert counts == {
        "pixels, linear": (64, 650),
        "histogram, linear": (8, 90),
        "HOG, linear": (3 * 3 * 2 * 2 * 9, 3250),
        "histogram and HOG, linear": (332, 3330),
        # conv 3·3·1·4 + 4, five of 3·3·4·4 + 4, dense 4·10 + 10
        "ConvNet, end to end": (4, 40 + 5 * 148 + 50),
    }
    accuracy = {name: row["test_accuracy"] for name, row in table.items()}
    assert accuracy["histogram, linear"] < 0.4  # it does not know where the pixels are
    assert accuracy["pixels, linear"] > accuracy["histogram, linear"] + 0.1
    assert accuracy["HOG, linear"] > 0.7
    assert accuracy["histogram and HOG, linear"] > 0.7
    assert all(0 < row["train_accuracy"] <= 1 for row in table.values())
    assert result["dataset"] == "digits"


@pytest.mark.thorough
def test_the_convnet_is_best(run: Run) -> None:
    accuracy = {name: row["test_accuracy"] for name, row in run("features")["accuracies"].items()}
    assert max(accuracy, key=lambda name: accuracy[name]) == "ConvNet, end to end"
    assert accuracy["ConvNet, end to end"] > 0.97
    assert 0.93 < accuracy["pixels, linear"] < 0.98
    assert 0.93 < accuracy["HOG, linear"] < 0.98
