"""Measure what training many models at once gains over training them one after another.

  python -m benchmarks.many                                              # about five minutes
  python -m benchmarks.many --only=small --rounds=9

small: 24 networks 64-64-10 (8 learning rates × 3 seeds) on digits, batch 32; `fit_many` beside the same 24 one after
another, a compiled step at a time, where the learning rate is an input of the step, so that it compiles once. wide: 24
networks 64-512-512-10, and folds: the five folds of LeNet-5's cross-validation; `fit_many` in the way that it chose by
measurement beside its models in turns. They take turns, a whole training each, in one process. Times are of an epoch of
all models in the warm state: compilation, and the first epoch with it, is left out, initialization of the plain loop
too. Prints medians [quartiles] and their ratio; and the machine's load, for on a busy machine it says little.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import fnn
from benchmarks.measure import summarize
from experiments import command
from fnn import data, losses, train

ONLY = flags.DEFINE_list("only", ["small", "wide", "folds"], "What to measure.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Trainings of each kind.", lower_bound=1)
EPOCHS = flags.DEFINE_integer("epochs", 20, "Of each training.", lower_bound=2)
BATCH = 32
RATES, SEEDS = tuple(float(rate) for rate in np.geomspace(0.003, 0.3, 8)), range(3)


def main() -> None:
    """Measures and prints."""
    split = data.load("digits", "train")
    grid = [train.Model(f"{rate:.3g} {seed}", seed, {"learning_rate": rate}) for rate in RATES for seed in SEEDS]
    if "small" in ONLY.value:
        small = fnn.serial(fnn.Flatten, fnn.Dense(64), fnn.Relu, fnn.Dense(10))
        compare(
            "24 networks 64-64-10",
            {"fit_many": lambda: at_once(small, split, grid, "measure"), "a step at a time": plain(small, split, grid)},
        )
    if "wide" in ONLY.value:
        wide = fnn.serial(fnn.Flatten, fnn.Dense(512), fnn.Relu, fnn.Dense(512), fnn.Relu, fnn.Dense(10))
        compare("24 networks 64-512-512-10", both(wide, split, grid))
    if "folds" in ONLY.value:
        numbers = data.fold_numbers(split, 5)
        parts = [(np.flatnonzero(numbers != n), np.flatnonzero(numbers == n)) for n in range(5)]
        folds = [train.Model(f"fold {n}", 0, {"learning_rate": 0.05}, *part) for n, part in enumerate(parts)]
        compare("5 folds of LeNet-5", both(fnn.models.lenet5(), split, folds))


def both(
    layer: fnn.Layer, split: data.Split, models: Sequence[train.Model]
) -> dict[str, Callable[[], tuple[float, str]]]:
    """Returns `fit_many` as it chooses, and in turns."""
    return {
        "fit_many": lambda: at_once(layer, split, models, "measure"),
        "in turns": lambda: at_once(layer, split, models, "in turns"),
    }


def make_optimizer(hyper: Mapping[str, Any], steps: int) -> optax.GradientTransformation:
    """Makes the optimizer of all cases."""
    return train.make_optimizer("sgd", hyper["learning_rate"], steps, schedule="cosine", momentum=0.9)


def at_once(layer: fnn.Layer, split: data.Split, models: Sequence[train.Model], way: Any) -> tuple[float, str]:
    """Trains with `fit_many`; returns the seconds of an epoch of all models, the first one left out, and the way."""
    ends: list[tuple[float, int]] = []
    many = train.fit_many(
        layer, split, make_optimizer, models, epochs=EPOCHS.value, batch_size=BATCH, way=way,
        on_epoch=lambda _, rows: ends.append((time.perf_counter(), len(rows))),
    )  # fmt: skip
    seconds, epochs = ends[-1][0] - ends[0][0], sum(count for _, count in ends[1:])
    return seconds / epochs * len(models), many.way


def plain(layer: fnn.Layer, split: data.Split, models: Sequence[train.Model]) -> Callable[[], tuple[float, str]]:
    """Returns a function that trains the models one after another, calling the compiled step for each batch."""
    steps = EPOCHS.value * -(-len(split) // BATCH)
    normalization = data.normalization_of(split)
    labels = np.asarray(split.labels, np.int32)

    def take_step(state: train.TrainState, batch: train.Batch, hyper: Mapping[str, Any]) -> train.TrainState:
        optimizer = make_optimizer(hyper, steps)
        return train.make_step(layer, optimizer, losses.softmax_cross_entropy, normalization)(state, batch)[0]

    step = jax.jit(take_step, donate_argnums=0)
    x = jax.ShapeDtypeStruct((BATCH, *split.image_shape), jnp.float32)
    hypers = [{name: np.float32(value) for name, value in model.hyper.items()} for model in models]
    begin = jax.jit(lambda hyper, seed: train.init_train_state(layer, make_optimizer(hyper, steps), seed, x))

    def epoch(state: train.TrainState, model: train.Model, hyper: Mapping[str, Any], number: int) -> train.TrainState:
        for chosen in data.make_batches(len(split), BATCH, model.seed).epoch(number):
            state = step(state, train.Batch(split.images[chosen], labels[chosen]), hyper)  # pyright: ignore
        return jax.block_until_ready(state)

    def run() -> tuple[float, str]:
        total = 0.0
        for model, hyper in zip(models, hypers, strict=True):
            state = epoch(begin(hyper, np.uint32(model.seed)), model, hyper, 0)
            start = time.perf_counter()
            for number in range(1, EPOCHS.value):
                state = epoch(state, model, hyper, number)
            total += time.perf_counter() - start
        return total / (EPOCHS.value - 1), "one after another"

    return run


def compare(name: str, kinds: Mapping[str, Callable[[], tuple[float, str]]]) -> None:
    """Lets each kind train in every round, and prints what they took."""
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    ways: dict[str, list[str]] = {kind: [] for kind in kinds}
    for number in range(ROUNDS.value):
        for kind in list(kinds)[:: 1 if number % 2 else -1]:
            taken, way = kinds[kind]()
            seconds[kind].append(taken)
            ways[kind].append(way)
    print(f"{name}, batch {BATCH}: milliseconds of an epoch of all; load {os.getloadavg()[0]:.1f}")
    for kind, found in seconds.items():
        median, q1, q3 = (1e3 * number for number in summarize(found))
        chosen = ", ".join(f"{way} {ways[kind].count(way)} times" for way in dict.fromkeys(ways[kind]))
        print(f"  {kind}: {median:.4g} [{q1:.4g}–{q3:.4g}]; {chosen}")
    one, other = (summarize(found).median for found in seconds.values())
    first, second = kinds
    print(f"  {second} ÷ {first}: {other / one:.2f}", flush=True)


if __name__ == "__main__":
    command.run(main)
