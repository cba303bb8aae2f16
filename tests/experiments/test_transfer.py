"""Features that were learnt on other data help who has little."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Run = Callable[..., dict[str, Any]]
WAYS = ["from scratch", "linear classifier", "last layer too", "everything"]


def check(result: dict[str, Any], seeds: int) -> None:
    assert result["source"]["classes"] == list("01234")
    assert result["target"]["classes"] == list("56789")
    quadrants = ["little, similar", "little, different", "much, similar", "much, different"]
    assert list(result["quadrants"]) == list(result["transfer"]) == quadrants
    for quadrant, ways in result["quadrants"].items():
        assert list(ways) == WAYS
        for of in ways.values():
            assert len(of["accuracies"]) == seeds
            assert of["mean"] == pytest.approx(np.mean(of["accuracies"]))
            assert of["deviation"] == pytest.approx(np.std(of["accuracies"], ddof=1))
        transfer = result["transfer"][quadrant]
        assert transfer["way"] == max(WAYS[1:], key=lambda way, ways=ways: ways[way]["validation_accuracy"])
        gains = np.subtract(ways[transfer["way"]]["accuracies"], ways["from scratch"]["accuracies"])
        assert transfer["gain"] == pytest.approx(gains.mean())
        assert transfer["standard_error"] == pytest.approx(gains.std(ddof=1) / np.sqrt(seeds))


def test_all_quadrants_ways_and_seeds_are_told(run: Run) -> None:
    result = run(
        *("transfer", "--seeds=2", "--rates=0.03,0.000001", "--filters=4", "--source_steps=400", "--steps=40"),
        *("--copies=2", "--margin=0", "--similar=", "--different=rotation=10", "--little=5", "--much=40"),
    )
    check(result, 2)
    assert result["source"]["test_accuracy"] > 0.9
    for quadrant, ways in result["quadrants"].items():
        assert {of["learning_rate"] for of in ways.values()} == {0.03}  # the other rate learns nothing
        amount, kind = quadrant.split(", ")
        floor = {"little": 0.5, "much": 0.65}[amount] - {"similar": 0, "different": 0.2}[kind]  # by chance: 0.2
        assert ways["everything"]["mean"] > floor


@pytest.mark.thorough
def test_little_data_is_learnt_better_by_transfer(run: Run) -> None:
    result = run("transfer")
    check(result, 5)
    for kind in ("similar", "different"):
        transfer = result["transfer"][f"little, {kind}"]
        assert transfer["gain"] > 2 * transfer["standard_error"]


def test_flags_that_do_not_fit_are_refused(refuse: Callable[..., str]) -> None:
    assert "--little=10 is more than --much=9" in refuse("transfer", "--much=9")
