"""How well a network does on a whole split."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from fnn.data import Split, Streamed
from fnn.layer import Layer, Params, State
from fnn.train.step import LossFn


class Evaluation(NamedTuple):
    """What a network makes of a split."""

    loss: float
    """The mean over all samples."""
    accuracy: float
    """The share of samples whose highest output is the label's."""
    predictions: np.ndarray
    """`(samples,)`: the class with the highest output."""
    losses: np.ndarray
    """`(samples,)`."""


def make_evaluate(
    layer: Layer,
    loss: LossFn,
    prepare: Callable[[jax.Array], jax.Array],
    batch_size: int = 512,
    pause: Callable[[], None] = lambda: None,
    put: Callable[[Any], Any] = jax.device_put,
    everywhere: Any = None,
) -> Callable[[Params, State, Split | Streamed], Evaluation]:
    """Makes a function `(params, state, split) -> Evaluation` that compiles once and sees every sample once.

    Args:
      layer: what is evaluated, in evaluation mode.
      loss: one number an example.
      prepare: what turns images into the layer's input.
      batch_size: how many samples are computed at a time.
      pause: called before each of them; may raise.
      put: puts images and labels on the devices; on JAX's default one by default.
      everywhere: the sharding of what all devices should have of the result.
    """

    @partial(jax.jit, out_shardings=everywhere)
    def examine(params: Params, state: State, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs, _ = layer.apply(params, state, prepare(images), train=False)
        return loss(outputs, labels), outputs.argmax(axis=-1)

    def evaluate(params: Params, state: State, split: Split | Streamed) -> Evaluation:
        if len(split) == 0:
            raise ValueError("evaluate expects a split with at least one sample.")
        size = min(batch_size, len(split))
        losses, predictions = [], []
        for start in range(0, len(split), size):
            pause()
            # The last batch is filled up with its first sample, so that it has the others' shape, and cut again.
            taken = np.arange(start, start + size)
            taken[taken >= len(split)] = start
            values, classes = examine(params, state, *put((split.read(taken), split.labels[taken])))
            losses.append(np.asarray(values)[: len(split) - start])
            predictions.append(np.asarray(classes)[: len(split) - start])
        predicted = np.concatenate(predictions)
        each = np.concatenate(losses)
        accuracy = float(np.mean(predicted == split.labels))
        return Evaluation(float(each.mean(dtype=np.float64)), accuracy, predicted, each)

    return evaluate


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Counts how often each class (row) was taken for each class (column): `(classes, classes)`."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix
