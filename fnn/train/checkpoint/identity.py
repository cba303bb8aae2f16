"""What must be equal for a run to go on from a checkpoint, and how two differ."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fnn.data import Split, Streamed
from fnn.train.checkpoint.errors import MismatchError

SHOWN = 5
"""How many differences an error shows."""


def fingerprint(split: Split | Streamed) -> dict[str, Any]:
    """Tells a split from others in plain JSON; of one that is streamed, the images' contents stay unread."""
    told = hashlib.sha256(split.labels.astype("<i4").tobytes())
    if isinstance(split, Split):
        told.update(split.images.tobytes())
    return {
        "samples": len(split),
        "image_shape": list(split.image_shape),
        "class_names": list(split.class_names),
        "sha256": told.hexdigest(),
    }


def check_same(place: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Compares what a checkpoint says of its run with what the run that wants to go on from it says.

    Args:
      place: where the checkpoint is, for the error.
      there: nested mappings of plain values, as the checkpoint holds them.
      here: as the run has them.

    Raises:
      MismatchError: if they differ; shows the first few differences.
    """
    theirs, ours = _flat(there), _flat(here)
    different = [name for name in {**theirs, **ours} if theirs.get(name, _ABSENT) != ours.get(name, _ABSENT)]
    if not different:
        return
    lines = [f"  {name}: {theirs.get(name, _ABSENT)} there, {ours.get(name, _ABSENT)} here" for name in different]
    more = [f"  and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    what_to_do = "Run it as it was begun, or keep this run's checkpoints in another directory."
    raise MismatchError("\n".join([f"{place} is of another run:", *lines[:SHOWN], *more, what_to_do]))


_ABSENT = "nothing"


def _flat(tree: Any, path: str = "") -> dict[str, str]:
    """Returns the leaves of nested mappings as text, by path."""
    if not isinstance(tree, Mapping):
        return {path: repr(tree)}
    return {
        name: leaf for key, value in tree.items() for name, leaf in _flat(value, f"{path}/{key}".strip("/")).items()
    }
