"""Which way is faster, by measurement."""

import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from fnn.train.many.models import Run, Way
from fnn.train.many.programs import Programs
from fnn.train.many.stacking import begin, combine

SECONDS, ROUNDS = 0.3, 3
"""About how long a turn of the slower way takes, at least a step; and how many turns each has."""


def choose_way(programs: Programs, data: Any, group: Sequence[Run]) -> tuple[Way, str]:
    """Times steps of a group in both ways, on models that are thrown away; returns the faster and what was measured."""
    if len(group) == 1:
        return "in turns", "there is one model at a time"

    def turns(count: int) -> dict[Way, float]:
        parts: dict[Way, list[Sequence[Run]]] = {"together": [group], "in turns": [[run] for run in group]}
        return {way: sum(_time(programs, data, part, way, count) for part in parts[way]) / count for way in parts}

    turns(1)  # compiles
    steps = len(group[0].orders(0)[0])
    count = int(np.clip(SECONDS / max(turns(1).values()), 1, steps))
    rounds = [turns(count) for _ in range(ROUNDS)]
    together, in_turns = (1e3 * min(times[way] for times in rounds) for way in ("together", "in turns"))
    told = f"a step of {len(group)} models took {together:.3g} ms together and {in_turns:.3g} ms in turns"
    return ("together" if together < in_turns else "in turns"), told


def _time(programs: Programs, data: Any, runs: Sequence[Run], way: Way, count: int) -> float:
    """Returns how many seconds the first steps take."""
    standing, hyper, moments = begin(programs, runs, way)
    order = combine([run.orders(0)[0] for run in runs], way)
    jax.block_until_ready((standing, order))
    start = time.perf_counter()
    jax.block_until_ready(programs.run_steps[way](data, standing, hyper, moments, order, np.int32(count)))
    return time.perf_counter() - start
