"""Training many models of one architecture."""

from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from fnn.data import Split
from fnn.layer import Layer
from fnn.losses import softmax_cross_entropy
from fnn.train.many.memory import choose_count
from fnn.train.many.models import Model, Run, Way, group_runs, make_runs, shape_of
from fnn.train.many.programs import OptimizerFn, blocks_of, make_programs
from fnn.train.many.result import Many, Trained
from fnn.train.many.threads import cores, side_by_side
from fnn.train.many.training import train_group
from fnn.train.many.way import arrange, choose_way
from fnn.train.memory import keep_memory
from fnn.train.step import AugmentFn, LossFn, OnNonfinite


def fit_many(
    layer: Layer,
    split: Split,
    optimizer: OptimizerFn,
    models: Sequence[Model],
    *,
    epochs: int,
    batch_size: int,
    loss: LossFn = softmax_cross_entropy,
    augment: AugmentFn | None = None,
    drop_last: bool = False,
    on_nonfinite: OnNonfinite = "halt",
    way: Way | Literal["measure"] = "measure",
    at_once: int | None = None,
    on_epoch: Callable[[int, np.ndarray], object] | None = None,
) -> Many:
    """Trains many models of one architecture, each as `fit` would train it alone, up to rounding.

    Together, a step of all models is one program, `vmap` of the step; in turns, each model runs alone; side by side, as
    many do so at a time as the CPU has cores; in groups, each core has a program of a few. All run a whole epoch on the
    device. Which is fastest depends on network and backend: unless told, they are timed on copies first, so that
    nothing of the timing is left in the models; rounding differs between programs of one and of several. From then on
    the process keeps the memory that it frees: see `keep_memory`.

    Args:
      layer: maps normalized images to one output a class.
      split: what all learn from and are judged by, in memory.
      optimizer: makes the optimizer from a model's `hyper`, whose values are abstract while it is compiled, and the
        number of steps that the model takes.
      models: what each has of its own. Those that see different numbers of samples are trained in groups.
      epochs: how often each sample is seen.
      batch_size: how many samples a step of one model sees.
      loss: one number an example.
      augment: what changes each batch, as for `make_step`.
      drop_last: whether an epoch's last batch is left out if it is smaller.
      on_nonfinite: `"halt"` lets a model stand still before its first step whose loss or gradient is not finite, while
        the others go on; `"skip"` goes on without such updates; `"ignore"` does not look.
      way: `"together"`, `"in turns"`, on a CPU also `"side by side"` and `"in groups"`, or `"measure"` to take the
        fastest.
      at_once: at most so many together; by default as many as the compiled program says that there is memory for.
      on_epoch: called after each epoch with its number, from 1, and a row of `Trained.history` of each model that took
        part, `(models, 4)`: of one group, or of one model; on several cores by several threads, never two at a time.

    Raises:
      ValueError: if there are no models or epochs, or their hyperparameters differ in name, or a batch size does not
        fit.
    """
    if not models:
        raise ValueError("fit_many expects at least one model.")
    if len({tuple(sorted(model.hyper)) for model in models}) > 1:
        raise ValueError("fit_many expects models with the same hyperparameters, each with values of its own.")
    if epochs < 1:
        raise ValueError(f"fit_many expects at least 1 epoch, got {epochs}.")
    if at_once is not None and at_once < 1:
        raise ValueError(f"fit_many expects to train at least one model at once, got {at_once}.")
    keep_memory()
    data = (jax.device_put(split.images), jax.device_put(np.asarray(split.labels, np.int32)))
    shape = (batch_size, *split.image_shape)
    programs = make_programs(layer, optimizer, loss, augment, on_nonfinite, shape)
    runs = make_runs(models, split, batch_size, drop_last)
    groups = group_runs(runs)

    def steps_of(group: list[Run]) -> int:
        return epochs * group[0].batches.per_epoch

    threads, reasons = cores(), []
    if way != "in turns":
        largest = max(groups, key=len)
        if at_once is None:
            at_once, reason = choose_count(programs(steps_of(largest)), data, largest)
            reasons += [reason] if reason else []
        groups = [group[start : start + at_once] for group in groups for start in range(0, len(group), at_once)]
        threads = min(threads, at_once)
    if way == "measure":
        way, reason = choose_way(programs(steps_of(groups[0])), data, groups[0], threads)
        reasons.append(reason)
    arrangements = [arrange(group, way, threads) for group in groups]
    parts = [part for arrangement in arrangements for part in arrangement.parts]
    form, threads = arrangements[0].form, arrangements[0].threads

    def train(part: list[Run], tell: Callable[[int, np.ndarray], object] | None, epochs: int = epochs) -> list[Trained]:
        return train_group(programs(steps_of(part)), data, part, form, epochs=epochs, on_epoch=tell)

    if threads > 1:
        for part in {shape_of(part): part for part in parts}.values():
            train(part, None, epochs=1)  # compiles
        done = side_by_side(train, parts, on_epoch, threads)
    else:
        done = [train(part, on_epoch) for part in parts]
    places = {id(model): place for place, model in enumerate(models)}
    trained = sorted((one for group in done for one in group), key=lambda one: places[id(one.model)])

    def apply(one: Trained, other: Split) -> np.ndarray:
        variables = (one.train_state.params, one.train_state.state)
        outputs = programs(0).apply(
            jnp.asarray(other.images), variables, tuple(one.normalization), blocks_of(np.arange(len(other)))
        )
        return np.asarray(outputs).reshape(-1, outputs.shape[-1])[: len(other)]

    return Many(trained, way, "; ".join(reasons) or "as told", apply)
