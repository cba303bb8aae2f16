"""A run's history on disk: one JSON object a line, an epoch each, which any tool can read while the run goes on."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Adds an epoch. A last line that an earlier process left cut off is taken away first.

    Args:
      path: of the file, which need not exist.
      record: with the keys of `fnn.train.Epoch`. What is not finite is written as null, which every reader of JSON has.
    """
    with path.open("ab+") as file:
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        file.write(_line(record))


def write(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Writes a whole history; whoever reads finds the old file or the new one, never a part."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(b"".join(map(_line, records)))
    os.replace(beside, path)  # noqa: PTH105 - the one that is atomic on every system


def read(path: Path) -> list[dict[str, Any]]:
    """Returns the epochs of a file, None for what was not finite or not there.

    A run that goes on from a checkpoint may tell an epoch again: what it tells last counts, and what it had told of
    later ones is forgotten. A last line that was cut off is left out.

    Raises:
      ValueError: if another line is no epoch.
    """
    records: list[dict[str, Any]] = []
    *whole, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(whole, 1):
        try:
            record = json.loads(line)
            epoch = record["epoch"]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}, line {number} is no epoch: {line[:80]!r}.") from error
        records = [other for other in records if other["epoch"] < epoch] + [record]
    return records


def _line(record: Mapping[str, Any]) -> bytes:
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in record.items()
    }
    return json.dumps(finite, allow_nan=False).encode() + b"\n"
