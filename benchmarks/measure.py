"""Taking turns: each round runs every peer, in an order of its own, so that what slows the machine slows them all."""

import gc
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

PAUSE = 0.02
"""Seconds between two peers: OpenMP's threads spin for a few milliseconds after their work, on the other's cores."""

LEAST_TURN = 0.2
"""Seconds that a turn measures at least, by as many calls as that takes; its time is their mean. Before them it runs
half as many, and one at least, unmeasured: in training a step follows another, with its weights in the cache and its
threads awake, not another library's step and a pause."""

LEAST_ROUNDS = 3
"""How many rounds there are, if so many were asked for, even where they take longer than the budget."""


class Plan(NamedTuple):
    """How long something is measured."""

    repeats: int
    """Rounds at most."""
    budget: float
    """Seconds after which no further round begins, see `LEAST_ROUNDS`."""
    pause: float = PAUSE
    least_turn: float = LEAST_TURN


class Measurement(NamedTuple):
    """The times of one case: a row of the table."""

    suite: str
    subject: str
    """What was run, such as `"lenet5"`."""
    case: str
    """What it did, such as `"training_step"`."""
    seconds: dict[str, list[float]]
    """By peer, one for each round."""


class Summary(NamedTuple):
    """What the times of one peer come to, in seconds."""

    median: float
    q1: float
    q3: float


def summarize(seconds: list[float]) -> Summary:
    """Returns median and quartiles, linear between neighbours."""
    q1, median, q3 = np.quantile(seconds, (0.25, 0.5, 0.75))
    return Summary(float(median), float(q1), float(q3))


def ratio(measurement: Measurement, peer: str) -> float | None:
    """Returns fnn's median time as a share of a peer's: below 1, fnn is faster. None where either was not measured."""
    if not {"fnn", peer} <= measurement.seconds.keys():
        return None
    return summarize(measurement.seconds["fnn"]).median / summarize(measurement.seconds[peer]).median


def fastest(measurement: Measurement, peers: tuple[str, ...]) -> str | None:
    """Returns which of some peers has the smallest median, None if none was measured."""
    there = [peer for peer in peers if peer in measurement.seconds]
    return min(there, key=lambda peer: summarize(measurement.seconds[peer]).median, default=None)


def take_turns(runs: Mapping[str, Callable[[], Any]], plan: Plan) -> dict[str, list[float]]:
    """Measures functions in the warm state, as in a loop that runs them again and again: see `LEAST_TURN`.

    Args:
      runs: what is measured, by peer; each returns when its work is done.
      plan: for how long.

    Returns:
      Seconds a call, by peer.
    """
    calls = {}
    for peer, run in runs.items():
        run()
        calls[peer] = max(1, math.ceil(plan.least_turn / max(_time(run), 1e-7)))

    def turn(peer: str) -> float:
        run, count = runs[peer], calls[peer]
        for _ in range(math.ceil(count / 2)):
            run()
        return _time(lambda: [run() for _ in range(count)]) / count

    return _rounds({peer: lambda peer=peer: turn(peer) for peer in runs}, plan)


def take_turns_cold(
    runs: Mapping[str, tuple[Callable[[], Any], Callable[[], Any]]], plan: Plan
) -> dict[str, list[float]]:
    """Measures functions that are prepared before every call, such as a first step whose compilation counts.

    Args:
      runs: by peer, what prepares, which is not measured, and what is.
      plan: for how long.

    Returns:
      Seconds a call, by peer.
    """

    def turn(peer: str) -> float:
        prepare, run = runs[peer]
        prepare()
        return _time(run)

    return _rounds({peer: lambda peer=peer: turn(peer) for peer in runs}, plan)


def _rounds(turns: Mapping[str, Callable[[], float]], plan: Plan) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {peer: [] for peer in turns}
    peers, order = list(turns), random.Random(0)
    start = time.perf_counter()
    for number in range(plan.repeats):
        if number >= LEAST_ROUNDS and time.perf_counter() - start > plan.budget:
            break
        order.shuffle(peers)
        for peer in peers:
            time.sleep(plan.pause)
            seconds[peer].append(turns[peer]())
    return seconds


def _time(run: Callable[[], Any]) -> float:
    """Returns how long a call takes, without the collection of garbage, as `timeit` does."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    finally:
        if collecting:
            gc.enable()
