"""Larger networks draw finer boundaries, and regularization smooths them."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


def test_width_helps_and_regularization_shortens_the_boundary(run: Run) -> None:
    result = run(
        "boundaries", "--data=circles", "--data=moons", "--layers=2", "--widths=1,8", "--strengths=0,0.003",
        "--steps=500", "--points=100",
    )  # fmt: skip
    assert result["data"] == ["circles", "moons"]
    assert result["networks"] == ["2 × 1", "2 × 8"]
    for test, train, length in zip(
        result["test_accuracy"], result["train_accuracy"], result["boundary_length"], strict=True
    ):
        narrow, wide = range(2)
        without, regularized = range(2)
        assert test[wide][regularized] > test[narrow][regularized] + 0.05
        assert test[wide][regularized] > 0.9
        assert train[wide][without] >= train[wide][regularized]  # it follows the wrong labels
        assert length[wide][regularized] < length[wide][without]
    assert result["best"]["circles"]["network"] == "2 × 8"
    assert result["best"]["circles"]["test_accuracy"] == max(max(row) for row in result["test_accuracy"][0])


@pytest.mark.thorough
def test_the_whole_grid(run: Run) -> None:
    result = run("boundaries")
    assert [len(result[name]) for name in ("data", "networks", "strengths")] == [3, 9, 4]
    for name, accuracy, length in zip(result["data"], result["test_accuracy"], result["boundary_length"], strict=True):
        assert result["best"][name]["test_accuracy"] > (0.8 if name == "spirals" else 0.97)
        assert accuracy[-1][2] > accuracy[-1][0]  # 3 × 16: λ = 0.003 against none
        assert length[-1][2] < length[-1][0]
