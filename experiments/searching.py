"""Training a whole grid, by flags: which of them may have several values, and how its models are put together."""

import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import flags
from tqdm import tqdm

import fnn
from experiments import command, dataset, grid, model, optimization, ranges, reporting, saving, watching
from experiments.command import FlagError
from fnn import data, train

FOLDS = flags.DEFINE_integer(
    "folds", None, "Train a model for each of so many folds, validated on it: all of --fold=I/K.", lower_bound=2
)
MODELS_AT_ONCE = flags.DEFINE_integer(
    "models_at_once", None, "How many models of a grid are trained together; by default as many as memory holds.",
    lower_bound=1,
)  # fmt: skip

_SAVED = "a grid is not saved on its way"
_ALONE = "a grid is trained by one process on one device"
REFUSED = {
    "overfit_batch": "it looks at one network",
    "average": "a grid keeps no average",
    "early_stopping": "all models of a grid see as many epochs",
    "tensorboard": "it shows one run",
    "profile": "it looks at one run",
    "range_test": "it tries one network",
    "devices": _ALONE,
    "shard_parameters": _ALONE,
    "coordinator": _ALONE,
    "processes": _ALONE,
    "process": _ALONE,
    "heartbeat_seconds": _ALONE,
    "checkpoint_seconds": _SAVED,
    "checkpoint_steps": _SAVED,
    "checkpoints_kept": _SAVED,
    "fresh": _SAVED,
    "discard_checkpoints": _SAVED,
}
"""Flags that would do nothing for a grid, and why."""
ONE_CUT = ("fold", "per_class", "label_noise")
"""Flags that change the training samples in a way that another fold does not share."""


class Setting(NamedTuple):
    """What all models of a grid share."""

    epochs: int
    batch_size: int
    """0 for all samples."""
    drop_last: bool
    augment: train.AugmentFn | None
    on_nonfinite: train.OnNonfinite
    modules: Sequence[Any]
    """That define the flags, beside this one."""


class Part(NamedTuple):
    """Which samples of a split a model learns from, and by which it is judged."""

    samples: np.ndarray
    validation: np.ndarray | None


def plan_of(seeds: Any) -> grid.Plan | None:
    """Returns what the flags ask for; None where it is a single run.

    Args:
      seeds: one or several.

    Raises:
      FlagError: if a flag does not fit.
    """
    hyper = {name: numbers for name, numbers in optimization.hyperparameters().items() if len(numbers) > 1}
    plan = grid.Plan(hyper, ranges.several(seeds), FOLDS.value)
    if len(plan.cells) == 1:
        if MODELS_AT_ONCE.value is not None:
            raise FlagError("--models_at_once: there is one model; give --seed or --learning_rate several, or --folds")
        return None
    for name, why in REFUSED.items():
        if name in flags.FLAGS and flags.FLAGS[name].value != flags.FLAGS[name].default:
            raise FlagError(f"--{name}: {why}; it needs one --seed, one of each hyperparameter and no --folds")
    if model.PRECISION.value == "float16":
        raise FlagError("--precision=float16 scales the loss, which a grid does not; bfloat16 needs no scaling")
    for name in ONE_CUT if FOLDS.value else ():
        if flags.FLAGS[name].value:
            raise FlagError(f"--{name} and --folds exclude each other; --fold=I/K cuts one fold")
    for cell in plan.cells:
        optimization.make_optimizer(1, cell.hyper)
    return plan


def run(plan: grid.Plan, splits: dataset.Splits, network: fnn.Layer, setting: Setting, workdir: str | None) -> None:
    """Trains a grid, says and writes what came of it, and exports the best model if a flag asks for it.

    Args:
      plan: what the grid is made of.
      splits: to learn from, to choose by, and to test on.
      network: what is trained.
      setting: what all models share.
      workdir: where results go; None for a directory named after what varies.

    Raises:
      FlagError: if the samples are not in memory, or cannot be cut or batched so.
    """
    start = time.perf_counter()
    training, validation, test = splits
    if not (
        isinstance(training, data.Split) and isinstance(test, data.Split) and isinstance(validation, data.Split | None)
    ):
        raise FlagError("a grid needs all samples in memory; raise --memory_gib")
    split, parts = cut(training, validation, plan.folds)
    if saving.EXPORT.value and any(part.validation is None for part in parts.values()):
        raise FlagError("--export: without validation samples there is no best model to export")
    batch_size = check_batch_size(setting.batch_size, [len(part.samples) for part in parts.values()])
    name = f"{dataset.name_of_dataset()}-{model.MODEL.value}"
    place = command.make_workdir(workdir or f"runs/{'-'.join([name, *plan.varying])}")
    loss = optimization.LOSSES[optimization.LOSS.value]
    saving.check_export()
    modules = (*setting.modules, __name__)
    watching.write_flags(place / "flags.txt", *modules)
    models = [
        train.Model(f"{number}", cell.seed, cell.hyper, *parts[cell.fold]) for number, cell in enumerate(plan.cells)
    ]
    print(f"{model.MODEL.value} on {training.source}: {len(training)} samples for training, {len(test)} for the test")
    print(f"{len(models)} models: {plan}")
    with tqdm(total=setting.epochs * len(models), unit="epoch", leave=False, dynamic_ncols=True, disable=None) as bar:
        many = train.fit_many(
            network,
            split,
            lambda hyper, steps: optimization.make_optimizer(steps, hyper),
            models,
            epochs=setting.epochs,
            batch_size=batch_size,
            loss=loss,
            augment=setting.augment,
            drop_last=setting.drop_last,
            on_nonfinite=setting.on_nonfinite,
            at_once=MODELS_AT_ONCE.value,
            on_epoch=lambda _, rows: bar.update(len(rows)),
        )
    print(f"trained {many.way}: {many.why}", flush=True)
    found = reporting.Found(plan, many, loss, split, test, time.perf_counter() - start)
    head = {"dataset": dataset.DATASET.value, "model": model.MODEL.value}
    title = f"{model.MODEL.value} on {dataset.name_of_dataset()}"
    best = reporting.report(found, head, command.flags_of(*modules), place, title)
    if best:
        saving.export_network(network, best, training, optimization.LOSS.value)


def cut(
    training: data.Split, validation: data.Split | None, folds: int | None
) -> tuple[data.Split, Mapping[str | None, Part]]:
    """Returns one split that has all samples, and for each fold, or for None, which a model reads of it."""
    if folds:
        try:
            numbers = data.fold_numbers(training, folds)
        except ValueError as error:
            raise FlagError(f"--folds={folds}: {error}") from error
        return training, {
            f"{number}/{folds}": Part(np.flatnonzero(numbers != number), np.flatnonzero(numbers == number))
            for number in range(folds)
        }
    here = np.arange(len(training))
    if validation is None:
        return training, {None: Part(here, None)}
    joined = dataclasses.replace(
        training,
        images=np.concatenate([training.images, validation.images]),
        labels=np.concatenate([training.labels, validation.labels]),
    )
    return joined, {None: Part(here, np.arange(len(training), len(joined)))}


def check_batch_size(size: int, samples: Collection[int]) -> int:
    """Returns how many samples a step sees.

    Args:
      size: as the flag has it; 0 for all.
      samples: how many each model learns from.
    """
    least, most = min(samples), max(samples)
    if not size and least < most:
        raise FlagError(f"--batch_size=0: the folds leave {least} to {most} samples; name one size")
    if size > least:
        raise FlagError(f"--batch_size must be at most {least}, the training split's size, got {size}")
    return size or least
