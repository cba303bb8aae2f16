"""Turns, medians and ratios, with functions whose time is known."""

import time

import pytest

from benchmarks.measure import (
    LEAST_ROUNDS,
    Measurement,
    Plan,
    fastest,
    ratio,
    summarize,
    take_turns,
    take_turns_cold,
)

QUICK = Plan(repeats=4, budget=60, pause=0, least_turn=0)


def test_median_and_quartiles_are_linear_between_neighbours() -> None:
    assert summarize([4.0, 1.0, 3.0, 2.0]) == pytest.approx((2.5, 1.75, 3.25))
    assert summarize([5.0]) == (5, 5, 5)


def test_peers_take_turns_in_an_order_that_differs_between_rounds() -> None:
    order: list[str] = []
    seconds = take_turns({name: lambda name=name: order.append(name) for name in "abc"}, QUICK)
    assert order[:6] == ["a", "a", "b", "b", "c", "c"]  # called before, then once more to see how long it takes
    turns = order[6:]
    assert turns[::2] == turns[1::2], "each turn warms up by a call, then measures one"
    rounds = [tuple(turns[start : start + 6 : 2]) for start in range(0, 24, 6)]
    assert all(sorted(names) == list("abc") for names in rounds)
    assert len(set(rounds)) > 1
    assert {name: len(times) for name, times in seconds.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(time > 0 for times in seconds.values() for time in times)


def test_short_functions_are_called_often_and_divided() -> None:
    calls = 0

    def run() -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.001)

    seconds = take_turns({"a": run}, Plan(repeats=3, budget=60, pause=0, least_turn=0.02))
    assert calls > 3 * 5
    assert all(0.001 <= value < 0.01 for value in seconds["a"])


def test_the_budget_ends_the_rounds_but_not_before_the_third() -> None:
    seconds = take_turns({"a": lambda: time.sleep(0.01)}, Plan(repeats=50, budget=0, pause=0, least_turn=0))
    assert len(seconds["a"]) == LEAST_ROUNDS
    seconds = take_turns({"a": lambda: None}, Plan(repeats=1, budget=0, pause=0, least_turn=0))
    assert len(seconds["a"]) == 1


def test_preparing_is_not_measured() -> None:
    prepared = 0

    def prepare() -> None:
        nonlocal prepared
        prepared += 1
        time.sleep(0.05)

    seconds = take_turns_cold({"a": (prepare, lambda: None)}, QUICK)
    assert prepared == 4
    assert max(seconds["a"]) < 0.04


def test_ratios_are_of_medians() -> None:
    row = Measurement("nets", "mlp", "init", {"fnn": [2.0, 1.0, 90.0], "torch": [4.0], "linen": [1.0], "nnx": [0.5]})
    assert ratio(row, "torch") == 0.5
    assert ratio(row, "stax") is None
    assert fastest(row, ("stax", "linen", "nnx")) == "nnx"
    assert fastest(row, ("stax",)) is None
