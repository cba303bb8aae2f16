"""Many models at once: rates × seeds × folds as one compiled program."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fnn.data import Batches, Normalization, Split, make_batches, normalization_of
from fnn.layer import Layer
from fnn.losses import softmax_cross_entropy
from fnn.train.step import AugmentFn, Batch, LossFn, TrainState, init_train_state, make_step

Way = Literal["together", "in turns"]

BLOCK = 512
"""How many samples are evaluated at a time."""

PROBE_STEPS, PROBE_ROUNDS = 20, 3
"""How many steps the two ways are timed over, and how often, the first time not counted."""


class Model(NamedTuple):
    """What one of many models has of its own."""

    name: str
    """Such as `"learning_rate=0.1 seed=3 fold=0"`."""
    seed: int = 0
    """Of its initial parameters, its order of the samples and all randomness of its steps."""
    hyper: Mapping[str, float] = {}
    """Numbers that `optimizer` takes. They are inputs of the compiled program: another value compiles nothing again."""
    samples: np.ndarray | None = None
    """Which samples of the split it learns from; all by default."""
    validation: np.ndarray | None = None
    """By which samples of the split it is judged; none by default."""


class Trained(NamedTuple):
    """One of many models, trained."""

    model: Model
    train_state: TrainState
    normalization: Normalization
    history: np.ndarray
    """`(epochs, 4)`: mean training loss and accuracy, validation loss and accuracy (NaN without validation)."""


class Many(NamedTuple):
    """Many models, trained."""

    trained: list[Trained]
    way: Way
    why: str
    """Why they were trained in that way, in words."""
    outputs: Callable[[Split], np.ndarray]
    """What every model makes of a split: `(models, samples, classes)`."""

    def accuracies(self, split: Split) -> np.ndarray:
        """Returns each model's accuracy on a split: `(models,)`."""
        return (self.outputs(split).argmax(axis=-1) == split.labels).mean(axis=-1)

    def ensemble(self, split: Split, chosen: Sequence[int] | None = None) -> np.ndarray:
        """Returns the mean of the models' class probabilities: `(samples, classes)`.

        Args:
          split: what is predicted.
          chosen: which models; all by default.
        """
        outputs = self.outputs(split)
        return np.asarray(jax.nn.softmax(outputs if chosen is None else outputs[list(chosen)])).mean(axis=0)


def fit_many(
    layer: Layer,
    split: Split,
    optimizer: Callable[[Mapping[str, Any]], optax.GradientTransformation],
    models: Sequence[Model],
    *,
    epochs: int,
    batch_size: int,
    loss: LossFn = softmax_cross_entropy,
    augment: AugmentFn | None = None,
    drop_last: bool = False,
    way: Way | Literal["measure"] = "measure",
    at_once: int | None = None,
    on_epoch: Callable[[int, np.ndarray], object] | None = None,
) -> Many:
    """Trains many models of one architecture, each as `fit` would train it alone, up to rounding.

    Together, a step of all models is one program, `vmap` of the step; in turns, each model runs alone. Both run a whole
    epoch on the device. Which is faster depends on the network and the backend: unless told, both are timed on copies
    first, so that nothing of the timing is left in the models; rounding differs between the two.

    Args:
      layer: maps normalized images to one output a class.
      split: what all learn from and are judged by, in memory.
      optimizer: makes the optimizer from a model's `hyper`, whose values are abstract while it is compiled.
      models: what each has of its own. Those that see different numbers of samples are trained in groups.
      epochs: how often each sample is seen.
      batch_size: how many samples a step of one model sees.
      loss: one number an example.
      augment: what changes each batch, as for `make_step`.
      drop_last: whether an epoch's last batch is left out if it is smaller.
      way: `"together"`, `"in turns"`, or `"measure"` to take the faster.
      at_once: at most so many together; by default as many as there are. Memory grows with it.
      on_epoch: called after each epoch of each group with the number of models in it and their `(models, 4)` history.

    Raises:
      ValueError: if there are no models, or their hyperparameters differ in name, or a batch size does not fit.
    """
    if not models:
        raise ValueError("fit_many expects at least one model.")
    if len({tuple(sorted(model.hyper)) for model in models}) > 1:
        raise ValueError("fit_many expects models with the same hyperparameters, each with values of its own.")
    if at_once is not None and at_once < 1:
        raise ValueError(f"fit_many expects to train at least one model at once, got {at_once}.")
    data = (jax.device_put(split.images), jax.device_put(np.asarray(split.labels, np.int32)))
    runs = [_Run.of(model, split, batch_size, drop_last) for model in models]
    shape = jax.ShapeDtypeStruct((batch_size, *split.image_shape), jnp.float32)

    def begin(seed: Any, hyper: Mapping[str, Any]) -> TrainState:
        return init_train_state(layer, optimizer(hyper), seed, shape)

    def run_steps(data: Any, state: TrainState, hyper: Any, moments: Any, order: jax.Array) -> Any:
        """Takes the steps of `order`, `(steps, batch)`; returns the state and each step's loss and accuracy."""
        step = make_step(layer, optimizer(hyper), loss, Normalization(*moments), augment)

        def body(state: TrainState, chosen: jax.Array) -> tuple[TrainState, jax.Array]:
            state, metrics = step(state, Batch(data[0][chosen], data[1][chosen]))
            return state, jnp.stack([metrics.loss, metrics.accuracy])

        return jax.lax.scan(body, state, order)

    def judge(data: Any, state: TrainState, moments: Any, chosen: jax.Array) -> jax.Array:
        """Returns the outputs for the samples of `chosen`, `(blocks, BLOCK)`."""
        normalize = Normalization(*moments)

        def block(chosen: jax.Array) -> jax.Array:
            return layer.apply(state.params, state.state, normalize(data[0][chosen]), train=False)[0]

        return jax.lax.map(block, chosen)

    programs = _Programs(
        _both_ways(begin, (0, 0)), _both_ways(run_steps, (None, 0, 0, 0, 0)), _both_ways(judge, (None, 0, 0, 0))
    )
    groups = list(_groups(runs, at_once))
    if way == "measure":
        way, why = _faster(programs, data, groups[0])
    else:
        why = "as told"
    trained: list[Trained] = []
    for group in groups:
        trained += _train(programs, data, group, way, epochs, loss, on_epoch)
    trained.sort(key=lambda one: [model is one.model for model in models].index(True))

    def outputs(other: Split) -> np.ndarray:
        there = (jax.device_put(other.images), None)
        chosen = _blocks(np.arange(len(other)))
        apply = programs.judge["in turns"]
        made = [apply(there, one.train_state, tuple(one.normalization), chosen) for one in trained]
        return np.stack([np.asarray(one).reshape(-1, one.shape[-1])[: len(other)] for one in made])

    return Many(trained, way, why, outputs)


class _Programs(NamedTuple):
    """The compiled parts, each `{"together": …, "in turns": …}`."""

    begin: dict[Way, Callable[..., Any]]
    run_steps: dict[Way, Callable[..., Any]]
    judge: dict[Way, Callable[..., Any]]


class _Run(NamedTuple):
    """A model with all that its training reads."""

    model: Model
    samples: np.ndarray
    batches: Batches
    normalization: Normalization

    @classmethod
    def of(cls, model: Model, split: Split, batch_size: int, drop_last: bool) -> "_Run":
        samples = np.arange(len(split)) if model.samples is None else np.asarray(model.samples)
        batches = make_batches(len(samples), batch_size, model.seed, drop_last=drop_last)
        return cls(model, samples, batches, normalization_of(split.take(samples)))

    def orders(self, epoch: int) -> list[np.ndarray]:
        """Returns the samples of an epoch's steps: of whole batches, `(steps, batch)`, and of a smaller last one."""
        chosen = [self.samples[indices] for indices in self.batches.epoch(epoch)]
        whole = [indices for indices in chosen if len(indices) == self.batches.size]
        return [np.stack(part).astype(np.int32) for part in (whole, chosen[len(whole) :]) if part]


def _both_ways(function: Callable[..., Any], axes: tuple[int | None, ...]) -> dict[Way, Callable[..., Any]]:
    return {"together": jax.jit(jax.vmap(function, in_axes=axes)), "in turns": jax.jit(function)}


def _groups(runs: Sequence[_Run], at_once: int | None) -> Iterator[list[_Run]]:
    """Yields groups that see equal numbers of samples, of at most `at_once` models."""
    by_size: dict[tuple[int, bool], list[_Run]] = {}
    for run in runs:
        by_size.setdefault((len(run.samples), run.model.validation is None), []).append(run)
    for group in by_size.values():
        most = at_once or len(group)
        yield from (group[start : start + most] for start in range(0, len(group), most))


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *trees)


def _unstack(tree: Any, count: int) -> list[Any]:
    return [jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(count)]


def _blocks(chosen: np.ndarray) -> np.ndarray:
    """Cuts samples into blocks, `(blocks, BLOCK)`; the last is filled up with the first sample."""
    size = min(BLOCK, len(chosen))
    filled = np.resize(chosen, -(-len(chosen) // size) * size)
    filled[len(chosen) :] = chosen[0]
    return filled.reshape(-1, size).astype(np.int32)


def _inputs(group: Sequence[_Run]) -> tuple[list[Any], list[Any], list[Any]]:
    seeds = [np.uint32(run.model.seed) for run in group]
    hypers = [{name: np.float32(value) for name, value in run.model.hyper.items()} for run in group]
    return seeds, hypers, [tuple(run.normalization) for run in group]


def _faster(programs: _Programs, data: Any, group: Sequence[_Run]) -> tuple[Way, str]:
    """Times a few steps of a group in both ways."""
    if len(group) == 1:
        return "in turns", "there is one model at a time"
    seeds, hypers, moments = _inputs(group)
    states = [programs.begin["in turns"](seed, hyper) for seed, hyper in zip(seeds, hypers, strict=True)]
    orders = [run.orders(0)[0][:PROBE_STEPS] for run in group]
    together = (_stack(states), _stack(hypers), _stack(moments), _stack(orders))
    seconds: dict[Way, list[float]] = {"together": [], "in turns": []}
    for _ in range(PROBE_ROUNDS):
        start = time.perf_counter()
        jax.block_until_ready(programs.run_steps["together"](data, *together))
        seconds["together"].append(time.perf_counter() - start)
        start = time.perf_counter()
        for turn in zip(states, hypers, moments, orders, strict=True):
            jax.block_until_ready(programs.run_steps["in turns"](data, *turn))
        seconds["in turns"].append(time.perf_counter() - start)
    # The first round compiles.
    one, other = (1e3 * min(seconds[way][1:]) / len(orders[0]) for way in ("together", "in turns"))
    told = f"a step of {len(group)} models took {one:.3g} ms together and {other:.3g} ms in turns"
    return ("together" if one < other else "in turns"), told


def _train(
    programs: _Programs,
    data: Any,
    group: Sequence[_Run],
    way: Way,
    epochs: int,
    loss: LossFn,
    on_epoch: Callable[[int, np.ndarray], object] | None,
) -> list[Trained]:
    """Trains one group."""
    seeds, hypers, moments = _inputs(group)
    begin, run_steps, judge = programs.begin[way], programs.run_steps[way], programs.judge[way]
    parts: list[tuple[TrainState, Any, Any, Sequence[_Run]]]
    if way == "together":
        stacked = [_stack(part) for part in (seeds, hypers, moments)]
        parts = [(begin(*stacked[:2]), *stacked[1:], group)]
    else:
        parts = [(begin(s, h), h, m, [run]) for s, h, m, run in zip(seeds, hypers, moments, group, strict=True)]
    combine: Callable[[Sequence[Any]], Any] = _stack if way == "together" else (lambda one: one[0])
    histories: list[list[np.ndarray]] = [[] for _ in parts]
    for epoch in range(epochs):
        for number, (state, hyper, moment, runs) in enumerate(parts):
            measured, sizes = [], []
            for orders in zip(*(run.orders(epoch) for run in runs), strict=True):
                state, metrics = run_steps(data, state, hyper, moment, combine(orders))
                measured.append(np.asarray(metrics).reshape(len(runs), -1, 2))
                sizes += [orders[0].shape[1]] * orders[0].shape[0]
            means = np.average(np.concatenate(measured, axis=1), axis=1, weights=sizes)
            judged = _judged(judge, data, state, moment, runs, loss, combine)
            histories[number].append(np.concatenate([means, judged], axis=1))
            parts[number] = (state, hyper, moment, runs)
        if on_epoch is not None:
            on_epoch(epoch + 1, np.concatenate([history[-1] for history in histories]))
    trained = []
    for (state, _, _, runs), history in zip(parts, histories, strict=True):
        states = _unstack(state, len(runs)) if way == "together" else [state]
        for place, (run, own) in enumerate(zip(runs, states, strict=True)):
            of_run = np.stack([epoch[place] for epoch in history])
            trained.append(Trained(run.model, own, run.normalization, of_run))
    return trained


def _judged(
    judge: Callable[..., Any],
    data: Any,
    state: TrainState,
    moments: Any,
    runs: Sequence[_Run],
    loss: LossFn,
    combine: Callable[[Sequence[Any]], Any],
) -> np.ndarray:
    """Returns each model's validation loss and accuracy: `(models, 2)`."""
    if runs[0].model.validation is None:
        return np.full((len(runs), 2), np.nan)
    chosen = [np.asarray(run.model.validation) for run in runs]
    longest = max(len(one) for one in chosen)
    filled = [_blocks(np.concatenate([one, np.repeat(one[:1], longest - len(one))])) for one in chosen]
    outputs = np.asarray(judge(data, state, moments, combine(filled)))
    outputs = outputs.reshape(len(runs), -1, outputs.shape[-1])
    labels = np.asarray(data[1])
    found = []
    for own, made in zip(chosen, outputs, strict=True):
        made = made[: len(own)]
        losses = np.asarray(loss(jnp.asarray(made), jnp.asarray(labels[own])))
        found.append([losses.mean(dtype=np.float64), (made.argmax(axis=-1) == labels[own]).mean()])
    return np.asarray(found)
