"""A save is cut off, or fails, at each of its system calls in turn.

Needs a C compiler: `shim.c` is loaded before the C library by LD_PRELOAD, in a process that `python -m faults.calls`
starts, because a library cannot be put before another in a process that runs already.
"""

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orbax.checkpoint  # noqa: F401 - before the fork, so that no child waits for it

from fnn.train.checkpoint import CheckpointError, Snapshot, Store
from tests.faults.forked import Ended, in_child

COUNT, KILL_AFTER, FAIL, FAIL_FROM_THEN_ON = range(4)
ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EROFS", "EACCES")}
OLD, NEW = 1, 2


class Calls(NamedTuple):
    """What came of interrupted saves."""

    calls: int
    """How many system calls a save makes."""
    killed: int
    """How many saves were killed, each after another call."""
    failed: int
    """How many saves met an error, each at another call."""
    old: int
    """After how many of them the old checkpoint was found;"""
    new: int
    """and the new one."""
    faults: list[str]


def compile_shim(directory: Path) -> Path | None:
    """Compiles the shim; None if there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    source, library = Path(__file__).with_name("shim.c"), directory / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return library


def interrupt_saves(shim: Path, directory: Path, every: int = 1) -> Calls:
    """Kills a save after each of its calls, and lets each of its calls fail with each of `ERRORS`, once and for good.

    Args:
      shim: what `compile_shim` gave.
      directory: an empty one, for all of this.
      every: takes only one in so many calls.
    """
    command = [sys.executable, "-m", "tests.faults.calls", str(shim), str(directory), str(every)]
    environment = os.environ | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Calls(**json.loads(done.stdout.splitlines()[-1]))


def _snapshot(step: int) -> Snapshot:
    arrays = {"params/w": np.full((300, 7), step, np.float32), "count": np.asarray(step, np.int32)}
    return Snapshot(step, arrays, {"seed": 0}, {"history": [step]})


def _save(shim: ctypes.CDLL, store: Store, at: int, action: int, failure: int = 0) -> Any:
    shim.faults_arm(str(store.directory).encode(), at, action, failure)
    try:
        store.write(_snapshot(NEW))
    except CheckpointError as error:
        return {"error": str(error)}
    finally:
        shim.faults_disarm()
    return {"calls": shim.faults_calls()}


def _found(store: Store) -> Any:
    """What a run finds after a save was cut off, and whether it can save again."""
    store.clear_leftovers()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        snapshot = store.newest()
    right = snapshot is not None and all(
        np.array_equal(array, _snapshot(snapshot.step).arrays[path]) for path, array in snapshot.arrays.items()
    )
    store.write(_snapshot(NEW + 1))
    again = store.newest()
    return {
        "step": snapshot.step if snapshot and right else None,
        "warnings": [str(warning.message) for warning in warned],
        "goes_on": again is not None and again.step == NEW + 1,
    }


def _all_saves(shim_path: Path, directory: Path, every: int) -> Calls:
    shim = ctypes.CDLL(str(shim_path))
    number = 0

    def attempt(at: int, action: int, failure: int = 0) -> tuple[Ended, Ended, str]:
        nonlocal number
        number += 1
        place = Path(tempfile.mkdtemp(dir=directory))
        store = Store(place / "checkpoints")
        store.directory.mkdir()
        in_child(lambda: store.write(_snapshot(OLD)), place)
        saved = in_child(lambda: _save(shim, store, at, action, failure), place)
        found = in_child(lambda: _found(store), place)
        shutil.rmtree(place)
        return saved, found, f"call {at}, action {action}, error {failure}"

    counted, _, _ = attempt(0, COUNT)
    calls = counted.answer["calls"]
    # The number of calls varies a little with the order of Orbax's threads; a few more are tried than were counted.
    places = range(1, calls + 10, every)
    jobs: list[Callable[[], tuple[Ended, Ended, str]]] = [lambda at=at: attempt(at, KILL_AFTER) for at in places]
    for failure in ERRORS.values():
        for action in (FAIL, FAIL_FROM_THEN_ON):
            jobs += [lambda at=at, action=action, f=failure: attempt(at, action, f) for at in places[::6]]
    killed, failed, old, new, faults = 0, 0, 0, 0, []
    for job in jobs:
        saved, found, name = job()
        killed += saved.status == -9
        failed += bool(saved.answer and "error" in saved.answer)
        step = (found.answer or {}).get("step")
        old, new = old + (step == OLD), new + (step == NEW)
        if step not in (OLD, NEW) or not found.answer["goes_on"] or found.answer["warnings"]:
            faults.append(f"{name}: {found.answer or found.said[-300:]}")
        if saved.status not in (0, -9):
            faults.append(f"{name}: {saved.said[-300:]}")
        if saved.answer and "calls" in saved.answer and step != NEW:
            faults.append(f"{name}: the save said nothing, but the new checkpoint is not there")
    return Calls(calls, killed, failed, old, new, faults)


if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)
    print(json.dumps(_all_saves(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))._asdict()))
