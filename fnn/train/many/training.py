"""Training a group of models, together or one."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.train.many.models import Run, Way
from fnn.train.many.programs import Programs, blocks_of
from fnn.train.many.result import Trained
from fnn.train.many.stacking import begin, combine, part
from fnn.train.step import LossFn, TrainState


def train_group(
    programs: Programs,
    data: tuple[jax.Array, jax.Array],
    group: Sequence[Run],
    way: Way,
    *,
    epochs: int,
    loss: LossFn,
    on_epoch: Callable[[int, np.ndarray], object] | None,
) -> list[Trained]:
    """Trains models that one program takes together, or the only one, and fetches them from the device.

    Args:
      programs: of such models.
      data: images and labels of the split, on the device.
      group: the models.
      way: which of the programs.
      epochs: how often each sample is seen.
      loss: one number an example.
      on_epoch: as for `fit_many`.
    """
    standing, hyper, moments = begin(programs, group, way)
    histories, measured = [], np.zeros((len(group), 0, 3), np.float32)
    for epoch in range(epochs):
        parts, sizes = [], []
        for orders in zip(*(run.orders(epoch) for run in group), strict=True):
            steps, size = orders[0].shape
            standing, numbers = programs.run_steps[way](
                data, standing, hyper, moments, combine(orders, way), np.int32(steps)
            )
            parts.append(np.asarray(numbers).reshape(len(group), steps, 3))
            sizes += [size] * steps
        measured = np.concatenate([measured, *parts], axis=1)
        goes_on = np.asarray(standing.go).reshape(len(group))
        history = np.concatenate(
            [
                _means(measured[:, -len(sizes) :], np.asarray(sizes)),
                _judge(programs, data, standing.train_state, moments, group, way, loss),
            ],
            axis=1,
        )
        # A model that was halted learns nothing more, and its later numbers say nothing.
        histories.append(np.where(goes_on[:, np.newaxis], history, np.nan))
        if on_epoch is not None:
            on_epoch(epoch + 1, histories[-1])
    goes_on = np.asarray(standing.go).reshape(len(group))
    trained = []
    for place, (run, train_state) in enumerate(zip(group, part(standing.train_state, len(group), way), strict=True)):
        halted = None if goes_on[place] else int(np.argmin(measured[place, :, 2]))
        history = np.stack([epoch[place] for epoch in histories])
        trained.append(Trained(run.model, train_state, run.normalization, history, halted))
    return trained


def _means(measured: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns each model's mean loss and accuracy over the samples of its finite steps, `(models, 2)`; NaN of none."""
    weights = (measured[..., 2] > 0) * sizes
    numbers = np.where(weights[..., np.newaxis] > 0, measured[..., :2], 0).astype(np.float64)
    total = weights.sum(axis=1, dtype=np.float64)
    sums = (numbers * weights[..., np.newaxis]).sum(axis=1)
    return np.where(total[:, np.newaxis] > 0, sums / np.maximum(total, 1)[:, np.newaxis], np.nan)


def _judge(
    programs: Programs,
    data: tuple[jax.Array, jax.Array],
    train_state: TrainState,
    moments: Any,
    group: Sequence[Run],
    way: Way,
    loss: LossFn,
) -> np.ndarray:
    """Returns each model's validation loss and accuracy: `(models, 2)`; NaN of those that are not judged."""
    chosen = [np.asarray(run.model.validation) for run in group if run.model.validation is not None]
    if not chosen:
        return np.full((len(group), 2), np.nan)
    images, labels = data
    longest = max(map(len, chosen))
    blocks = [blocks_of(np.concatenate([one, np.repeat(one[:1], longest - len(one))])) for one in chosen]
    variables = (train_state.params, train_state.state)
    outputs = np.asarray(programs.judge[way](images, variables, moments, combine(blocks, way)))
    outputs = outputs.reshape(len(group), -1, outputs.shape[-1])
    found = []
    for own, made in zip(chosen, outputs, strict=True):
        there = labels[own]
        losses = np.asarray(loss(jnp.asarray(made[: len(own)]), there))
        right = made[: len(own)].argmax(axis=-1) == np.asarray(there)
        found.append([losses.mean(dtype=np.float64), right.mean()])
    return np.asarray(found)
