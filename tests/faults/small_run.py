"""A run of a second that has everything a resumed run could get wrong, and what is compared of its ending."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import fnn
from fnn import data, train
from fnn.data import augment

EPOCHS, BATCH_SIZE, SAVED_EVERY = 5, 32, 3


@dataclass(frozen=True, eq=False)
class Noting(data.Split):
    """A split that notes in a file which samples were read, a line for each batch."""

    notes: Path = Path(os.devnull)

    def read(self, chosen: np.ndarray) -> np.ndarray:
        if len(chosen) <= BATCH_SIZE:  # normalization and validation read more at a time
            with self.notes.open("a") as file:
                file.write(" ".join(map(str, chosen)) + "\n")
        return super().read(chosen)


def digits() -> data.Split:
    """A few digits: the last batch of an epoch is smaller."""
    return data.load("digits", "train[:150]")


def network() -> fnn.Layer:
    hidden = fnn.serial(fnn.Dense(32), fnn.BatchNorm(), fnn.Relu, fnn.Dropout(0.3))
    return fnn.serial(flat=fnn.Flatten, hidden=hidden, head=fnn.Dense(10))


def run(split: data.Split, directory: Path, *, optimizer: str = "adam", epochs: int = EPOCHS) -> dict[str, Any]:
    """Trains in a directory, going on where it was, and tells how it ended.

    `SIGTERM` ends the process with status 143 when the run is saved.
    """
    jax.config.update("jax_compilation_cache_dir", str(directory.parent / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    noting = Noting(split.images, split.labels, split.class_names, split.source, directory / "order.txt")
    steps = epochs * -(-len(split) // BATCH_SIZE)
    with (directory / "order.txt").open("a") as file:
        file.write("begin\n")
    try:
        fitted = train.fit(
            network(),
            noting,
            train.make_optimizer(optimizer, 0.01, steps, schedule="warmup_cosine", weight_decay=0.001),
            epochs=epochs,
            batch_size=BATCH_SIZE,
            validation=split.take(np.arange(40)),
            augment=augment.for_bytes(augment.from_flag("crop=1"), 10),
            seed=3,
            checkpoints=train.Checkpoints(directory / "checkpoints", steps=SAVED_EVERY, patience=20),
        )
    except train.Interrupted as interruption:
        raise SystemExit(128 + interruption.signum) from None
    ending = {
        "train_state": train.checkpoint.digest_of_tree(fitted.train_state),
        "history": [epoch._replace(seconds=0) for epoch in fitted.history],
        "evaluated": fitted.evaluate(split)[:2],
    }
    return json.loads(json.dumps(ending))


def order_is_kept(directory: Path, whole: list[str]) -> bool:
    """Says whether each part of a run that was cut read what the uncut run read, and the last part that to its end.

    Args:
      directory: of the cut run.
      whole: the lines of the uncut one.
    """
    parts = [part.splitlines() for part in (directory / "order.txt").read_text().split("begin\n")[1:]]
    in_order = all(any(part == whole[i : i + len(part)] for i in range(len(whole) + 1)) for part in parts)
    return in_order and parts[-1] == whole[len(whole) - len(parts[-1]) :]


TERMINATION = 128 + signal.SIGTERM
