"""A run is killed at a random instant, or asked to end, and continued; its ending is compared with an uncut run's."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.forked import Child, in_child
from tests.faults.small_run import TERMINATION, digits, run


class Kills(NamedTuple):
    """What came of many kills."""

    identical: int
    in_a_save: int
    """How many left a checkpoint half written."""
    faults: list[str]


def kill_runs(
    directory: Path,
    count: int,
    *,
    how: int = signal.SIGKILL,
    seed: int = 0,
    sabotage: Callable[[], None] = lambda: None,
) -> Kills:
    """Kills `count` runs, each once at a random instant of its time and some a second time, and lets each end.

    Args:
      directory: an empty one, for all of this.
      count: how many runs.
      how: the signal. After `SIGTERM` a run must end with 143 and be saved.
      seed: of the instants.
      sabotage: called in each process before the run: what breaks the library, to see that this notices.
    """
    split = digits()
    random_instants = random.Random(seed)

    def sabotaged(place: Path) -> Callable[[], Any]:
        def do() -> Any:
            sabotage()
            return run(split, place)

        return do

    places = [directory / f"{number:04d}" for number in range(-1, count)]
    in_child(sabotaged(places[0]), places[0])  # fills the cache of compiled programs
    for path in (places[0] / "checkpoints").iterdir():
        os.rename(path, path.with_name(f"unused-{path.name}"))  # noqa: PTH104
    start = time.monotonic()
    whole = in_child(sabotaged(places[0]), places[0])
    length = time.monotonic() - start
    if whole.status:
        raise RuntimeError(f"the uncut run failed: {whole.said}")
    identical, in_a_save, faults = 0, 0, []
    for place in places[1:]:
        for _ in range(random_instants.choice([1, 1, 2])):
            child = Child(sabotaged(place), place)
            time.sleep(random_instants.uniform(0, length))
            os.kill(child.pid, how)
            status = child.wait(600).status
            if how == signal.SIGTERM and status not in (0, TERMINATION, -how):
                faults.append(f"{place.name}: ended with {status} after SIGTERM")
            in_a_save += any((place / "checkpoints").glob(".writing-*"))
        ended = in_child(sabotaged(place), place)
        if ended.answer == whole.answer:
            identical += 1
        else:
            faults.append(f"{place.name}: status {ended.status}: {ended.answer or ended.said[-300:]}")
    return Kills(identical, in_a_save, faults)
