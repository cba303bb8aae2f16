"""The ways in which a group of models can be trained, and which is the fastest, by measurement."""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from fnn.train.many.models import Run, Way
from fnn.train.many.programs import Form, Programs
from fnn.train.many.stacking import begin, combine
from fnn.train.many.threads import side_by_side

GROUP = 4
"""How many models share a program in groups: already they share what starting an operation costs, they stay in a core's
cache, and as there are more groups than cores, no core waits long for the last."""
SECONDS = 0.2
"""About how long a turn of the slowest way takes: at least a step, at most an epoch."""
ROUNDS, ALL = (3, 15), 1.0
"""How many turns each way has, at least and at most; between them as many as fit into so many seconds."""
LEAST = 4
"""Of the parts that do not run together so many are timed, for each thread: the others would do the same."""


class Arrangement(NamedTuple):
    """How a way trains a group of models."""

    parts: list[list[Run]]
    """Which models share a program's run."""
    form: Form
    threads: int


def arrange(group: Sequence[Run], way: Way, threads: int) -> Arrangement:
    """Cuts a group into the parts that a way trains, as equal as can be.

    Args:
      group: of runs that one program can take together.
      way: in which they are trained.
      threads: how many there can be.
    """
    in_groups = max(1, min(GROUP, len(group) // threads))  # of all threads together no more than there are
    most: int = {"together": len(group), "in groups": in_groups}.get(way, 1)
    count = -(-len(group) // most)
    edges = [len(group) * number // count for number in range(count + 1)]
    parts = [list(group[start:stop]) for start, stop in itertools.pairwise(edges)]
    form: Form = "several" if way in ("together", "in groups") else "one"
    return Arrangement(parts, form, threads if way in ("side by side", "in groups") else 1)


def choose_way(programs: Programs, data: Any, group: Sequence[Run], threads: int) -> tuple[Way, str]:
    """Times steps of a group in each way, on models that are thrown away; returns the fastest and what was measured.

    Args:
      programs: of the group.
      data: images and labels of the split, on the device.
      group: the models.
      threads: how many there can be; with 1 there is nothing side by side, nor in groups.
    """
    if len(group) == 1:
        return "in turns", "there is one model at a time"
    ways: list[Way] = ["together", "in turns", *(["side by side"] if threads > 1 else [])]
    best = _measure(programs, data, {way: arrange(group, way, threads) for way in ways})
    # Where a program of several models gains nothing over one of one, another such program is not worth compiling.
    if threads > 1 and len(group) > GROUP and best["together"] < best["in turns"]:
        ways = [_fastest(best), "in groups"]
        best |= _measure(programs, data, {way: arrange(group, way, threads) for way in ways})
    told = ", ".join(f"{1e3 * seconds:.3g} ms {way}" for way, seconds in best.items())
    return _fastest(best), f"a step of {len(group)} models took {told}"


def _fastest(seconds: dict[Way, float]) -> Way:
    return min(seconds, key=lambda way: seconds[way])


def _measure(programs: Programs, data: Any, arrangements: dict[Way, Arrangement]) -> dict[Way, float]:
    """Returns how many seconds a step of all models takes in each way, the best of several turns of each."""
    whole = next(iter(arrangements.values())).parts

    def turns(count: int) -> dict[Way, float]:
        return {way: _time(programs, data, made, np.int32(count)) / count for way, made in arrangements.items()}

    turns(1)  # compiles
    count = int(np.clip(SECONDS / max(turns(1).values()), 1, len(whole[0][0].orders(0)[0])))
    rounds = [turns(count)]
    rounds += [turns(count) for _ in range(1, int(np.clip(ALL / (count * sum(rounds[0].values())), *ROUNDS)))]
    return {way: min(times[way] for times in rounds) for way in rounds[0]}


def _time(programs: Programs, data: Any, arrangement: Arrangement, count: np.int32) -> float:
    """Returns how many seconds the first steps of all parts take, some of which are timed."""
    parts, form, threads = arrangement
    some = parts[: LEAST * threads]
    ready = []
    for runs in some:
        standing, hyper, moments = begin(programs, runs, form)
        ready.append((standing, hyper, moments, combine([run.orders(0)[0] for run in runs], form, np.stack)))
        programs.run_steps[form].compile(data, *ready[-1], count)  # here, and not in each thread
    jax.block_until_ready(ready)

    def run(inputs: Any, tell: Callable[..., Any] | None = None) -> None:
        del tell
        jax.block_until_ready(programs.run_steps[form](data, *inputs, count))

    start = time.perf_counter()
    if threads > 1:
        side_by_side(run, ready, None, threads)
    else:
        for inputs in ready:
            run(inputs)
    return (time.perf_counter() - start) * sum(map(len, parts)) / sum(map(len, some))
