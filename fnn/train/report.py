"""What a run tells: a table by epoch, and a result that is written whole or not at all."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fnn.train.course import Epoch

_COLUMNS = ("epoch", "train loss", "train acc", "val loss", "val acc", "seconds")


def epoch_table(say: Callable[[str], None] = print) -> Callable[[Epoch], None]:
    """Returns a function that says each epoch as a row of a table, with the head before the first.

    Args:
      say: prints a line; `tqdm.write` keeps a progress bar below the table.
    """

    head_is_due = True

    def row(record: Epoch) -> None:
        nonlocal head_is_due
        if head_is_due:
            head_is_due = False
            say("  ".join(f"{name:>10}" for name in _COLUMNS))
        cells = (
            f"{record.epoch}",
            f"{record.train_loss:.4f}",
            f"{record.train_accuracy:.4f}",
            "" if record.validation_loss is None else f"{record.validation_loss:.4f}",
            "" if record.validation_accuracy is None else f"{record.validation_accuracy:.4f}",
            f"{record.seconds:.2f}",
        )
        say("  ".join(f"{cell:>10}" for cell in cells))

    return row


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Writes a result as JSON; whoever reads `path` finds the old file or the new one, never a part."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n")
    os.replace(beside, path)  # noqa: PTH105 - the one that is atomic on every system
