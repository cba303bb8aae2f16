"""Randomly wired networks and a ResNet learn about as well from as many multiply-adds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Run = Callable[..., dict[str, Any]]
KINDS = ["ResNet", "Erdős–Rényi", "Barabási–Albert", "Watts–Strogatz"]


def check(result: dict[str, Any], seeds: int) -> None:
    assert list(result["networks"]) == list(result["summary"]) == KINDS
    for name, networks in result["networks"].items():
        assert [one["seed"] for one in networks] == list(range(seeds))
        of = result["summary"][name]
        accuracies = [one["accuracy"] for one in networks]
        assert of["mean"] == pytest.approx(np.mean(accuracies))
        assert of["deviation"] == pytest.approx(np.std(accuracies, ddof=1))
        for one in networks:
            assert one["multiply_adds"] == pytest.approx(result["budget"], rel=0.05)


@pytest.mark.thorough  # seven programs to compile
def test_all_wirings_are_told_and_need_as_much(run: Run) -> None:
    result = run(
        *("random_wiring", "--nodes=3", "--ba_edges=1", "--ws_neighbours=2", "--seeds=2", "--epochs=2"),
        *("--resnet_width=4", "--per_class=20", "--batch_size=100"),
    )
    check(result, 2)


@pytest.mark.thorough
def test_random_wirings_learn_as_well_as_a_resnet(run: Run) -> None:
    result = run("random_wiring")
    check(result, 3)
    for of in result["summary"].values():
        assert of["mean"] > 0.93
