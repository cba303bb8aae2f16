"""Folds and a holdout agree on how good a network is, and the test split agrees with both."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from experiments.estimate import Estimate, of_folds, of_samples

Run = Callable[..., dict[str, Any]]


def test_standard_errors_by_hand() -> None:
    assert of_samples(0.9, 100) == pytest.approx((0.9, 0.03))
    assert of_samples(1.0, 50).standard_error == pytest.approx(np.sqrt(0.99 * 0.01 / 50))
    folds = of_folds([0.9, 0.8, 1.0])
    assert folds == pytest.approx((0.9, 0.1 / np.sqrt(3)))


def test_agreement_is_two_standard_errors_of_the_difference() -> None:
    assert Estimate(0.90, 0.03).agrees(Estimate(1.00, 0.04))
    assert not Estimate(0.90, 0.03).agrees(Estimate(1.01, 0.04))


def test_every_fold_is_judged_and_all_estimates_are_told(run: Run) -> None:
    result = run("cross_validation", "--folds=3", "--epochs=12", "--model=mlp", "--per_class=30")
    assert list(result["folds"]) == ["fold 1", "fold 2", "fold 3"]
    assert result["mean_of_the_folds"]["accuracy"] == pytest.approx(np.mean(list(result["folds"].values())))
    for name in ("mean_of_the_folds", "holdout", "test"):
        assert 0.6 < result[name]["accuracy"] <= 1
        assert 0 < result[name]["standard_error"] < 0.1
    assert result["folds_and_holdout_agree"] in (True, False)
    assert result["way"] in ("together", "in turns", "side by side", "in groups")


@pytest.mark.thorough
def test_folds_and_holdout_agree(run: Run) -> None:
    result = run("cross_validation")
    assert result["folds_and_holdout_agree"]
    assert abs(result["test"]["accuracy"] - result["mean_of_the_folds"]["accuracy"]) < 0.03
