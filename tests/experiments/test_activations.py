"""Values and derivatives of the activations are what the lectures say."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


def test_derivatives_are_what_the_lecture_says(run: Run) -> None:
    activations = run("activations", "--points=600")["activations"]
    assert len(activations) == 15
    derivatives = {name: about["derivatives"] for name, about in activations.items()}
    for name, expected in {
        "identity": (1, 1), "step": (0, 0), "sigmoid": (0, 0.25), "tanh": (0, 1), "hard tanh": (0, 1), "ReLU": (0, 1),
        "leaky ReLU, slope 0.1": (0.1, 1), "ELU, α = 1": (0, 1), "softplus": (0, 1), "GELU": (-0.1289, 1.1289),
        "SiLU": (-0.0998, 1.0998), "softmax": (0, 0.25), "log-softmax": (0, 1), "maxout": (-0.5, 1),
        "radial basis": (-0.8578, 0.8578),
    }.items():  # fmt: skip
        assert derivatives[name] == pytest.approx(expected, abs=5e-3), name
    # In closed form: the sigmoid's derivative s(1 − s) is 0.01 at x = ±ln(98.98…), that is on 1 − 4.595/6 of the range.
    assert activations["sigmoid"]["share_small"] == pytest.approx(1 - 4.595 / 6, abs=4e-3)
    assert activations["ReLU"]["share_small"] == pytest.approx(0.5)
    assert activations["leaky ReLU, slope 0.1"]["share_small"] == 0
    assert activations["step"]["share_small"] == 1
    assert activations["hard tanh"]["values"] == [-1, 1]
    assert activations["softplus"]["values"][1] == pytest.approx(5.9925, abs=1e-3)
    assert max(about["difference"] for about in activations.values()) < 1e-5
