"""Planted wrong labels are found, and networks are better without them."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


def test_most_planted_labels_are_found_and_cleaning_helps(run: Run) -> None:
    result = run("outliers", "--model=mlp", "--planted=0.3", "--folds=2", "--few_epochs=6", "--epochs=30")
    assert result["samples"] == 1347
    assert result["wrong"] == round(0.3 * 1347)
    assert set(result["found"]) == {"loss", "folds", "neighbours", "vote"}
    for name, found in result["found"].items():
        assert found["recall"] > 0.85, name
        assert found["precision"] > 0.6, name  # at random it would be 0.3
        assert found["average_precision"] > 0.8, name
        assert found["suspected"] == pytest.approx(result["wrong"] * found["recall"] / found["precision"])
    accuracy = result["test_accuracy"]
    assert accuracy["without suspects of vote"] > accuracy["all samples"] + 0.03
    assert accuracy["all samples, labels right"] > 0.94


@pytest.mark.thorough
def test_with_the_default_network(run: Run) -> None:
    result = run("outliers")
    for found in result["found"].values():
        assert found["recall"] > 0.95
        assert found["precision"] > 0.7
    accuracy = result["test_accuracy"]
    assert accuracy["all samples"] < accuracy["without suspects of vote"] < accuracy["all samples, labels right"] + 0.01


def test_noise_that_nobody_knows_of_is_refused(refuse: Callable[..., str]) -> None:
    assert "--planted plants wrong labels" in refuse("outliers", "--label_noise=0.1")
