"""A width that is enough for each ε."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


def test_wider_networks_come_nearer_and_a_width_is_enough(run: Run) -> None:
    result = run("approximation", "--widths=16,1,4", "--epsilons=0.1,0.3,1e-9", "--tries=2", "--steps=600")
    assert result["widths"] == [1, 4, 16]
    assert result["epsilons"] == [0.3, 0.1, 1e-9]
    assert set(result["error"]) == {"sine", "kink", "waves"}
    for name, errors in result["error"].items():
        assert errors[2] < 0.5 * errors[0]
        enough = [next((w for w, e in zip([1, 4, 16], errors, strict=True) if e <= eps), None) for eps in (0.3, 0.1)]
        assert result["enough"][name] == [*enough, None]
        assert enough[1] in (4, 16)
    assert result["error"]["sine"][0] > 0.2  # one unit cannot go up and down and up
    assert result["error"]["kink"][0] > 0.2


@pytest.mark.thorough
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_every_epsilon_is_reached(run: Run, activation: str) -> None:
    result = run("approximation", f"--activation={activation}", "--epsilons=0.2,0.1,0.06")
    for widths in result["enough"].values():
        assert None not in widths
        assert widths == sorted(widths)
