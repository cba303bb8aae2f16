"""One perceptron cannot, two layers can."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


def test_no_single_unit_learns_xor_and_two_layers_do(run: Run) -> None:
    result = run("xor", "--tries=20", "--steps=300", "--epochs=50", "--hidden=8", "--seed=1")
    learnt = result["right_of_4"]
    for easy in ("perceptron, AND", "perceptron, OR"):
        assert learnt[easy] == {"worst": 4, "best": 4, "mean": 4.0, "tries_with_all_four": 20}
    for single in ("perceptron, XOR", "sigmoid unit, XOR"):
        assert learnt[single]["tries_with_all_four"] == 0
        assert 2 <= learnt[single]["best"] <= 3
    assert learnt["two layers, 8 hidden, XOR"]["best"] == 4
    assert learnt["two layers, 8 hidden, XOR"]["tries_with_all_four"] >= 18
    assert result["seed"] == 1
    assert result["flags"]["hidden"] == ["8"]
    assert result["seconds"] > 0


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_whatever_the_seed(run: Run, seed: int) -> None:
    learnt = run("xor", f"--seed={seed}")["right_of_4"]
    assert learnt["perceptron, XOR"]["best"] <= 3
    assert learnt["sigmoid unit, XOR"]["best"] == 3
    assert 30 <= learnt["two layers, 2 hidden, XOR"]["tries_with_all_four"] <= 65
    assert learnt["two layers, 8 hidden, XOR"]["tries_with_all_four"] == 100


def test_a_list_of_what_is_no_number_is_refused(refuse: Callable[..., str]) -> None:
    assert "--hidden expects integers of at least 1, separated by commas, got '2,many'" in refuse(
        "xor", "--hidden=2,many"
    )
