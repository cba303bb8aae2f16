"""A deep linear network is one matrix, and one with ReLU is not."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


def test_the_product_of_the_matrices_is_the_network(run: Run) -> None:
    result = run("collapse", "--depths=1,3", "--width=16", "--networks=3", "--samples=200", "--steps=200")
    assert result["layers"] == [1, 3]
    assert max(result["distance_linear"]) < 1e-5
    assert result["distance_relu"][0] < 1e-5  # one layer has no ReLU
    assert 0.2 < result["distance_relu"][1] < 1
    circles = result["circles"]
    assert circles["4 linear layers"]["distance"] < 1e-5
    assert circles["4 linear layers"]["test_accuracy"] < 0.7
    assert circles["one layer"]["test_accuracy"] < 0.7
    assert circles["4 layers with ReLU"]["test_accuracy"] > 0.9


@pytest.mark.thorough
def test_at_any_depth(run: Run) -> None:
    result = run("collapse")
    assert max(result["distance_linear"]) < 1e-5
    assert result["distance_relu"] == sorted(result["distance_relu"])
    assert result["distance_relu"][-1] > 0.6
