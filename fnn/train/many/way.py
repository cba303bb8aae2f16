"""Which way is faster, by measurement."""

import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from fnn.train.many.models import Run, Way
from fnn.train.many.programs import Form, Programs
from fnn.train.many.stacking import begin, combine
from fnn.train.many.threads import side_by_side

SECONDS = 0.2
"""About how long a turn of the slowest way takes: at least a step, at most an epoch."""
ROUNDS, ALL = (3, 15), 1.0
"""How many turns each way has, at least and at most; between them as many as fit into so many seconds."""
LEAST = 4
"""Of the models that do not run together so many are timed, for each thread: the others would do the same."""


def choose_way(programs: Programs, data: Any, group: Sequence[Run], threads: int) -> tuple[Way, str]:
    """Times steps of a group in each way, on models that are thrown away; returns the fastest and what was measured.

    Args:
      programs: of the group.
      data: images and labels of the split, on the device.
      group: the models.
      threads: how many there would be side by side; 1 for none.
    """
    if len(group) == 1:
        return "in turns", "there is one model at a time"
    some = group[: LEAST * threads]
    share = len(group) / len(some)

    def turns(count: int) -> dict[Way, float]:
        steps = np.int32(count)
        found: dict[Way, float] = {"together": _time(programs, data, [group], "several", steps)}
        found["in turns"] = share * _time(programs, data, [[run] for run in some], "one", steps)
        if threads > 1:
            found["side by side"] = share * _time(programs, data, [[run] for run in some], "one", steps, threads)
        return {way: found[way] / count for way in found}

    turns(1)  # compiles
    count = int(np.clip(SECONDS / max(turns(1).values()), 1, len(group[0].orders(0)[0])))
    rounds = [turns(count)]
    rounds += [turns(count) for _ in range(1, int(np.clip(ALL / (count * sum(rounds[0].values())), *ROUNDS)))]
    best: dict[Way, float] = {way: min(times[way] for times in rounds) for way in rounds[0]}
    told = ", ".join(f"{1e3 * seconds:.3g} ms {way}" for way, seconds in best.items())
    return min(best, key=lambda way: best[way]), f"a step of {len(group)} models took {told}"


def _time(
    programs: Programs, data: Any, parts: Sequence[Sequence[Run]], form: Form, count: np.int32, threads: int = 1
) -> float:
    """Returns how many seconds the first steps of some groups take, one group after another or in threads."""
    ready = []
    for runs in parts:
        standing, hyper, moments = begin(programs, runs, form)
        ready.append((standing, hyper, moments, combine([run.orders(0)[0] for run in runs], form)))
    jax.block_until_ready(ready)

    def run(inputs: Any, tell: Any = None) -> None:
        del tell
        jax.block_until_ready(programs.run_steps[form](data, *inputs, count))

    start = time.perf_counter()
    if threads > 1:
        side_by_side(run, ready, None, threads)
    else:
        for inputs in ready:
            run(inputs)
    return time.perf_counter() - start
