"""When a run saves itself, and how it takes up again."""

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from fnn.train.checkpoint import CheckpointError, Snapshot, Store, Writer, check_same, from_host, locked, to_host
from fnn.train.course import Course


class Checkpoints(NamedTuple):
    """Where and how often a run saves itself."""

    directory: Path
    seconds: float = 60.0
    """The run is saved so long after the last save began, between two steps. When changes nothing in it."""
    steps: int | None = None
    """If given, each step whose number it divides is saved as well."""
    keep: int = 3
    """How many of the last are kept, besides the best."""
    flags: Mapping[str, Any] = {}
    """What else must be equal when a run goes on: the flags of an experiment, plain JSON."""
    patience: float = 120.0
    """For how many seconds a save may hang before the run stops with an error."""


class Keeper:
    """Keeps a run's checkpoints: a context that holds the directory's lock and leaves nothing half written.

    Args:
      settings: where and how often.
      identity: what makes this run what it is, plain JSON.
      writes: whether this is the one of several processes that writes; the others read, and see the same directory.

    Raises:
      InUseError: if another run keeps its checkpoints there.
    """

    def __init__(self, settings: Checkpoints, identity: Mapping[str, Any], *, writes: bool = True) -> None:
        self.settings = settings
        self.writes = writes
        self.identity = {**identity, "flags": dict(settings.flags)}
        self.store = Store(settings.directory, settings.keep)
        self._writer = Writer(settings.patience)
        self._stack = ExitStack()
        self._best: Snapshot | None = None
        self._saved: int | None = None
        self._began = time.monotonic()

    def __enter__(self) -> "Keeper":
        if not self.writes:
            return self
        try:
            self.store.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"{self.store.directory} cannot be made: {error.strerror}.") from error
        self._stack.enter_context(locked(self.store.directory))
        self.store.clear_leftovers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._writer.wait()
        finally:
            self._stack.close()

    def newest(self) -> Snapshot | None:
        """Returns the newest whole checkpoint, if there is one.

        Raises:
          DamagedError: if there are some and none is whole.
          MismatchError: if it is of a run with other data or flags.
        """
        snapshot = self.store.newest()
        if snapshot:
            check_same(self.store.path(snapshot.step), snapshot.identity, self.identity)
        return snapshot

    def restore(self, snapshot: Snapshot, course: Course) -> None:
        """Brings a course, as it would begin, to where a checkpoint stands.

        Raises:
          MismatchError: if the checkpoint is of another network or optimizer.
        """
        like = course.tree()
        there, here = (
            {path: f"{array.dtype} {array.shape}" for path, array in arrays.items()}
            for arrays in (snapshot.arrays, to_host(like))
        )
        check_same(self.store.path(snapshot.step), there, here)
        course.resume(from_host(snapshot.arrays, like), snapshot.step, snapshot.told)
        self._saved = snapshot.step

    def is_due(self, step: int) -> bool:
        """Says whether the run should be saved after `step` steps; raises what an earlier save failed with."""
        self._writer.check()
        every = self.settings.steps
        return bool(every and step % every == 0) or time.monotonic() - self._began >= self.settings.seconds

    def steps_until_due(self, step: int) -> int:
        """Returns how many steps may be taken after `step` before it is to be asked again whether the run is due."""
        if self.settings.seconds == 0:
            return 1
        every = self.settings.steps
        return every - step % every if every else sys.maxsize

    def remember_best(self, course: Course) -> None:
        """Takes a run as it is as the best so far. It is written with the next save, before that."""
        self._best = self._snapshot(course)

    def save(self, course: Course) -> None:
        """Begins to write a checkpoint beside the run, once the one before is written.

        Raises:
          CheckpointError: if that one failed, or hangs.
        """
        self._began = time.monotonic()
        snapshot = None if course.step == self._saved else self._snapshot(course)
        best, self._best, self._saved = self._best, None, course.step
        if not self.writes:
            return

        def write() -> None:
            if best is not None:
                self.store.write(best, "best")
            if snapshot is not None:
                self.store.write(snapshot)

        self._writer.submit(write)

    def finish(self) -> None:
        """Waits until all is written.

        Raises:
          CheckpointError: if it could not be.
        """
        self._writer.wait()

    def _snapshot(self, course: Course) -> Snapshot:
        return Snapshot(course.step, to_host(course.tree()), self.identity, course.told())
