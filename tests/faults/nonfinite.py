"""A NaN is planted into the data, the loss or the gradient of one known step: the run must name it, and stop before."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import fnn
from fnn import data, losses, train

CLASSES, BATCH_SIZE, SEED = 3, 8, 5
MARKED = 29
"""The one sample with the last class, and with a white first pixel."""


def split() -> data.Split:
    images = np.random.default_rng(0).integers(0, 200, (64, 4, 4, 1), dtype=np.uint8)
    labels = (np.arange(64) % (CLASSES - 1)).astype(np.int32)
    images[MARKED, 0, 0], labels[MARKED] = 255, CLASSES - 1
    return data.Split(images, labels, ("a", "b", "marked"), "made by hand")


def bad_step(epoch: int = 0) -> int:
    """Returns the step of an epoch that sees the marked sample."""
    batches = data.make_batches(64, BATCH_SIZE, SEED)
    return next(
        step
        for step in range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        if MARKED in batches.indices(step)
    )


def _in_data(key: jax.Array, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    del key
    floats = images.astype(jnp.float32) / 255
    return jnp.where(floats == 1, jnp.nan, floats), labels


def _in_loss(outputs: Any, labels: jax.Array) -> jax.Array:
    return jnp.where(labels == CLASSES - 1, jnp.nan, losses.softmax_cross_entropy(outputs, labels))


@jax.custom_vjp
def _with_bad_gradient(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    return outputs


def _forward(outputs: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    return outputs, labels


def _backward(labels: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, np.ndarray]:
    marked = (labels == CLASSES - 1).reshape(-1, 1)
    return jnp.where(marked, jnp.inf, cotangent), np.zeros(labels.shape, jax.dtypes.float0)


_with_bad_gradient.defvjp(_forward, _backward)


def _in_gradient(outputs: Any, labels: jax.Array) -> jax.Array:
    return losses.softmax_cross_entropy(_with_bad_gradient(outputs, labels), labels)


PLANTS: dict[str, dict[str, Callable[..., Any]]] = {
    "data": {"augment": _in_data},
    "loss": {"loss": _in_loss},
    "gradient": {"loss": _in_gradient},
}
"""Where the NaN is planted, as arguments of `fit`."""


def fit(plant: dict[str, Any], directory: Path | None = None, **options: Any) -> train.Fit:
    """Trains with a plant, or none."""
    network = fnn.serial(flat=fnn.Flatten, hidden=fnn.Dense(6), norm=fnn.BatchNorm(), head=fnn.Dense(CLASSES))
    checkpoints = train.Checkpoints(directory) if directory else None
    arguments: dict[str, Any] = {"epochs": 2, "batch_size": BATCH_SIZE, "seed": SEED} | plant | options
    return train.fit(network, split(), optax.sgd(0.1, momentum=0.9), checkpoints=checkpoints, **arguments)


def stops_before_the_step(plant: dict[str, Any], directory: Path) -> str | None:
    """Trains until the planted step; says what is wrong, if anything."""
    try:
        fit(plant, directory)
    except FloatingPointError as error:
        named = re.search(r"step (\d+)", str(error))
        if named is None or int(named[1]) != bad_step():
            return f"the error does not name step {bad_step()}: {error}"
    else:
        return "the run did not stop"
    snapshot = train.checkpoint.Store(directory).newest()
    if snapshot is None or snapshot.step != bad_step():
        return f"the run was not saved before step {bad_step()}"
    if not all(np.isfinite(array).all() for array in snapshot.arrays.values() if array.dtype.kind == "f"):
        return "what was saved is not finite"
    return None
