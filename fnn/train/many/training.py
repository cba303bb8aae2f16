"""Training a group of models, in one program or the only one."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from fnn.train.many.models import Run
from fnn.train.many.programs import Form, Programs, Standing, blocks_of
from fnn.train.many.result import Trained
from fnn.train.many.stacking import begin, combine, part


def train_group(
    programs: Programs,
    data: tuple[jax.Array, jax.Array],
    group: Sequence[Run],
    form: Form,
    *,
    epochs: int,
    on_epoch: Callable[[int, np.ndarray], object] | None,
) -> list[Trained]:
    """Trains models that one program takes, or the only one, and fetches them from the device.

    Args:
      programs: of such models.
      data: images and labels of the split, on the device.
      group: the models.
      form: of the programs.
      epochs: how often each sample is seen.
      on_epoch: as for `fit_many`.
    """
    standing, hyper, moments = begin(programs, group, form)
    histories, halted = [], np.full(len(group), -1)
    orders = [run.orders(0) for run in group]
    taken = 0
    for epoch in range(epochs):
        parts, sizes = [], []
        for some in zip(*orders, strict=True):
            steps, size = some[0].shape
            order = combine(some, form, np.stack)
            standing, numbers = programs.run_steps[form](data, standing, hyper, moments, order, np.int32(steps))
            parts.append((numbers, steps))
            sizes += [size] * steps
        if epoch + 1 < epochs:  # while the device is busy
            orders = [run.orders(epoch + 1) for run in group]
        measured = np.concatenate(
            [np.asarray(numbers).reshape(len(group), steps, 3) for numbers, steps in parts], axis=1
        )
        stands = ~np.asarray(standing.go).reshape(len(group)) & (halted < 0)
        halted[stands] = taken + np.argmin(measured[stands, :, 2], axis=1)
        taken += len(sizes)
        history = np.concatenate(
            [_means(measured, np.asarray(sizes)), _judge(programs, data, standing, moments, group, form)], axis=1
        )
        # A model that was halted learns nothing more, and its later numbers say nothing.
        histories.append(np.where(halted[:, np.newaxis] < 0, history, np.nan))
        if on_epoch is not None:
            on_epoch(epoch + 1, histories[-1])
    states = part(standing.train_state, len(group), form)
    return [
        Trained(run.model, state, run.normalization, np.stack([epoch[place] for epoch in histories]), step)
        for place, (run, state, step) in enumerate(
            zip(group, states, [int(step) if step >= 0 else None for step in halted], strict=True)
        )
    ]


def _means(measured: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns each model's mean loss and accuracy over the samples of its finite steps, `(models, 2)`; NaN of none."""
    weights = (measured[..., 2] > 0) * sizes
    numbers = np.where(weights[..., np.newaxis] > 0, measured[..., :2], 0).astype(np.float64)
    total = weights.sum(axis=1, dtype=np.float64)[:, np.newaxis]
    return np.where(total > 0, (numbers * weights[..., np.newaxis]).sum(axis=1) / np.maximum(total, 1), np.nan)


def _judge(
    programs: Programs,
    data: tuple[jax.Array, jax.Array],
    standing: Standing,
    moments: Any,
    group: Sequence[Run],
    form: Form,
) -> np.ndarray:
    """Returns each model's validation loss and accuracy: `(models, 2)`; NaN of those that are not judged."""
    chosen = [np.asarray(run.model.validation) for run in group if run.model.validation is not None]
    if not chosen:
        return np.full((len(group), 2), np.nan)
    longest = max(map(len, chosen))
    blocks = [blocks_of(np.concatenate([one, np.repeat(one[:1], longest - len(one))])) for one in chosen]
    variables = standing.train_state[:2]
    samples = combine(blocks, form, np.stack)
    judged = np.asarray(programs.judge[form](data, variables, moments, samples)).reshape(len(group), -1, 2)
    return np.stack([own[: len(one)].mean(axis=0, dtype=np.float64) for own, one in zip(judged, chosen, strict=True)])
