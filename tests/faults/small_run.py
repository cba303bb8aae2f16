"""A run of a second that has everything a resumed run could get wrong, and what is compared of its ending."""

import json
import signal
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fnn
from fnn import data, train
from fnn.data import augment

EPOCHS, BATCH_SIZE, SAVED_EVERY = 5, 32, 3


def _witness() -> fnn.Layer:
    """Passes its input on, and counts into its state which images it was given in training, and in which order.

    The state is part of how a run ends: two runs end alike only if they saw the same samples in the same order.
    """

    def init(key: jax.Array, x: Any, /) -> tuple[dict[str, Any], dict[str, Any]]:
        del key, x
        return {}, {"seen": jnp.uint32(0)}

    def apply(params: Any, state: Any, x: jax.Array, /, *, train: bool, key: Any = None) -> tuple[jax.Array, Any]:
        del params, key
        bits = jax.lax.bitcast_convert_type(x, jnp.uint32).ravel()
        seen = state["seen"] * jnp.uint32(1_000_003) + jnp.sum(bits * jnp.arange(1, bits.size + 1, dtype=jnp.uint32))
        return x, {"seen": seen} if train else state

    return fnn.Layer(init, apply, "witness")


def digits() -> data.Split:
    """A few digits: the last batch of an epoch is smaller."""
    return data.load("digits", "train[:150]")


def network() -> fnn.Layer:
    hidden = fnn.serial(fnn.Dense(32), fnn.BatchNorm(), fnn.Relu, fnn.Dropout(0.3))
    return fnn.serial(witness=_witness(), flat=fnn.Flatten, hidden=hidden, head=fnn.Dense(10))


def run(split: data.Split, directory: Path, *, optimizer: str = "adam", epochs: int = EPOCHS) -> dict[str, Any]:
    """Trains in a directory, going on where it was, and tells how it ended.

    `SIGTERM` ends the process with status 143 when the run is saved.
    """
    jax.config.update("jax_compilation_cache_dir", str(directory.parent / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    steps = epochs * -(-len(split) // BATCH_SIZE)
    try:
        fitted = train.fit(
            network(),
            split,
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


TERMINATION = 128 + signal.SIGTERM
