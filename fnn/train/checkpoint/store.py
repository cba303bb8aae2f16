"""A directory of checkpoints: each there as a whole or not at all, the newest whole one found, old ones removed.

    checkpoints/
      step-00000120/        arrays/, record.json, manifest.sha256
      best-00000096/        the same
      .writing-…, .removing-…   left by a killed run; the next one clears them away

A checkpoint is written under another name, sealed by its manifest, brought to the disk, and only then renamed.
"""

import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fnn.train.checkpoint.arrays import Described, describe, read_arrays, write_arrays
from fnn.train.checkpoint.errors import CheckpointError, DamagedCheckpointWarning, DamagedError
from fnn.train.checkpoint.manifest import seal, synchronize, verify

FORMAT = 1
"""The version of what a checkpoint's files mean."""


class Snapshot(NamedTuple):
    """All that a run needs to go on, at one moment."""

    step: int
    arrays: Mapping[str, np.ndarray]
    """By path, such as `"params/conv1/kernel"`; nobody else writes into them."""
    identity: Mapping[str, Any]
    """What must be equal in a run that goes on from here; plain JSON."""
    told: Mapping[str, Any]
    """What else the run wants back, such as its history; plain JSON."""


class Store(NamedTuple):
    """A directory of checkpoints of one run."""

    directory: Path
    keep: int = 3
    """How many of the newest are kept."""

    def steps(self, kind: str = "step") -> list[int]:
        """Returns the steps of the checkpoints of a kind, `"step"` or `"best"`, whole or not, in order."""
        if not self.directory.is_dir():
            return []
        matches = (re.fullmatch(rf"{kind}-(\d{{8,}})", path.name) for path in self.directory.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def path(self, step: int, kind: str = "step") -> Path:
        """Returns where the checkpoint of a step is."""
        return self.directory / f"{kind}-{step:08d}"

    def write(self, snapshot: Snapshot, kind: str = "step") -> None:
        """Writes a checkpoint and removes those that are too old.

        Args:
          snapshot: what to write.
          kind: `"step"`, of which the last `keep` are kept, or `"best"`, of which the last.

        Raises:
          CheckpointError: if the disk does not take it. Those written before are still there.
        """
        place = self.path(snapshot.step, kind)
        beside = self.directory / f".writing-{place.name}"
        try:
            if place.exists() and _is_whole(place):
                return  # a step has one content
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()  # not its parents: a directory that was removed under the run is an error
            write_arrays(beside / "arrays", list(snapshot.arrays.values()))
            (beside / "record.json").write_text(json.dumps(_record(snapshot), indent=1) + "\n")
            seal(beside)
            if place.exists():
                self._remove(place)  # which is damaged
            beside.rename(place)
            synchronize(self.directory)
            for step in self.steps(kind)[: -1 if kind == "best" else -self.keep]:
                self._remove(self.path(step, kind))
        except Exception as error:  # Orbax tells of a full disk by a ValueError
            shutil.rmtree(beside, ignore_errors=True)
            raise CheckpointError(
                f"the checkpoint of step {snapshot.step} could not be written to {self.directory}: "
                f"{_reason(error)}. {self._what_is_there()}"
            ) from error

    def read(self, step: int, kind: str = "step") -> Snapshot:
        """Reads a checkpoint.

        Raises:
          DamagedError: if any byte of it is not as it was written.
        """
        place = self.path(step, kind)
        verify(place)
        record = json.loads((place / "record.json").read_text())
        if record.get("format") != FORMAT:
            raise DamagedError(f"{place} has format {record.get('format')!r}; this version of fnn reads {FORMAT}.")
        described = [Described(path, tuple(shape), *rest) for path, shape, *rest in record["arrays"]]
        try:
            arrays = read_arrays(place / "arrays", described)
        except DamagedError:
            raise
        except Exception as error:
            raise DamagedError(f"{place / 'arrays'} cannot be read: {_reason(error)}.") from error
        return Snapshot(record["step"], arrays, record["identity"], record["told"])

    def newest(self, check: Callable[[Snapshot], None] = lambda _: None) -> Snapshot | None:
        """Reads the newest checkpoint that is whole; warns of each that is passed over.

        Args:
          check: may raise to refuse what was read, which ends the search.

        Returns:
          None if there is no checkpoint.

        Raises:
          DamagedError: if there are checkpoints and none is whole.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                snapshot = self.read(step)
            except DamagedError as error:
                warnings.warn(DamagedCheckpointWarning(f"{error} The checkpoint before it is tried."), stacklevel=2)
                continue
            check(snapshot)
            return snapshot
        if steps:
            raise DamagedError(f"{self.directory} holds {len(steps)} checkpoints, and none is whole.")
        return None

    def discard(self) -> None:
        """Removes all checkpoints."""
        for kind in ("best", "step"):
            for step in self.steps(kind):
                self._remove(self.path(step, kind))

    def clear_leftovers(self) -> None:
        """Removes what a run that was killed had begun to write or to remove."""
        for path in [*self.directory.glob(".writing-*"), *self.directory.glob(".removing-*")]:
            shutil.rmtree(path, ignore_errors=True)

    def _remove(self, place: Path) -> None:
        # Renamed first: cut short, the removal leaves nothing that looks like a damaged checkpoint.
        going = place.with_name(f".removing-{place.name}")
        shutil.rmtree(going, ignore_errors=True)
        place.rename(going)
        shutil.rmtree(going)

    def _what_is_there(self) -> str:
        steps = self.steps()
        return f"That of step {steps[-1]} is still there." if steps else "There is none before it."


def _is_whole(place: Path) -> bool:
    try:
        verify(place)
    except DamagedError:
        return False
    return True


def _record(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "step": snapshot.step,
        "identity": dict(snapshot.identity),
        "told": dict(snapshot.told),
        "arrays": describe(snapshot.arrays),
    }


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        name = f" ({error.filename})" if error.filename else ""
        return f"{os.strerror(error.errno)}{name}"
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
