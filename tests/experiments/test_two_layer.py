"""The twenty-line network learns as its derivation by hand says."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


def test_the_loss_curve_is_that_of_the_derivation_by_hand(run: Run) -> None:
    result = run("two_layer", "--steps=200")
    assert 0 < result["largest_relative_difference"] < 1e-4
    assert result["first_loss"] > 10_000
    assert result["share_left"] < 0.1


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_for_all_two_thousand_steps(run: Run, seed: int) -> None:
    result = run("two_layer", f"--seed={seed}")
    assert 0 < result["largest_relative_difference"] < 1e-4
    assert result["share_left"] < 1e-3
