"""Training over epochs, from the start or from where a checkpoint stands."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from fnn.data import READING, Batches, Normalization, Reading, Split, Streamed, make_batches, normalization_of
from fnn.layer import Layer
from fnn.losses import softmax_cross_entropy
from fnn.train.afterwards import explain
from fnn.train.checkpoint import Snapshot, fingerprint, to_local
from fnn.train.checks import batch_shapes, check_agreement, check_outputs, check_steps, check_validation
from fnn.train.course import Course, Epoch, NonfiniteError
from fnn.train.evaluate import Evaluation, make_evaluate
from fnn.train.interrupt import Signals, deferred
from fnn.train.keeping import Checkpoints, Keeper
from fnn.train.loop import run_epochs
from fnn.train.memory import compiler_options, keep_memory
from fnn.train.placement import Placement
from fnn.train.step import (
    AugmentFn,
    Batch,
    LossFn,
    OnNonfinite,
    TrainState,
    all_finite,
    init_train_state,
    make_step,
)
from fnn.train.stretch import make_stretch
from fnn.train.supplies import make_supplies


class Fit(NamedTuple):
    """A trained network, and how it got there."""

    train_state: TrainState
    normalization: Normalization
    """Of the training images; whoever uses the network prepares images with it."""
    history: list[Epoch]
    evaluate: Callable[[Split | Streamed], Evaluation]
    """Applies the trained network to a split."""


def fit(
    layer: Layer,
    train: Split | Streamed,
    optimizer: optax.GradientTransformation,
    *,
    epochs: int,
    batch_size: int,
    validation: Split | Streamed | None = None,
    loss: LossFn = softmax_cross_entropy,
    augment: AugmentFn | None = None,
    seed: int = 0,
    drop_last: bool = False,
    reading: Reading = READING,
    on_nonfinite: OnNonfinite = "halt",
    scale_loss: bool = False,
    average: float | None = None,
    patience: int | None = None,
    checkpoints: Checkpoints | None = None,
    devices: Sequence[Any] | None = None,
    shard_parameters: bool = False,
    on_resume: Callable[[int], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    progress: bool = False,
) -> Fit:
    """Trains a layer on a split; in every epoch every sample is seen exactly once, in memory or streamed.

    Equal arguments give equal bits on one machine and version of JAX, also when the run was cut off and continued from
    a checkpoint. With checkpoints, SIGINT and SIGTERM let the step at hand end and save it. From then on the process
    keeps the memory that it frees: see `keep_memory`.

    Args:
      layer: maps normalized images `(batch, height, width, channels)` to one output a class.
      train: what it learns from.
      optimizer: any optax optimizer of a tree of parameters.
      epochs: how often each sample is seen, at least 1.
      batch_size: how many samples a step sees; the last batch of an epoch may be smaller, and has the same weight in
        the update.
      validation: what is evaluated after each epoch, if given.
      loss: `(outputs, labels) -> (batch,)`, as in `fnn.losses`.
      augment: what changes each training batch, as for `make_step`; validation sees the images as they are.
      seed: of the initial parameters, the order of the samples and all randomness of the steps.
      drop_last: whether an epoch's last batch is left out if it is smaller, other samples in each epoch.
      reading: how a split that is not in memory is read.
      on_nonfinite: `"halt"` stops at the first step whose loss or gradient is not finite, before it changes anything;
        `"skip"` goes on without its update; `"ignore"` does not look.
      scale_loss: whether the loss is scaled, which a network in float16 needs.
      average: if given, a moving average of the parameters is kept, of which each step keeps this share; it is what is
        judged, and `TrainState.learned`.
      patience: if given, the run ends early, after so many epochs in a row whose validation accuracy was not the best,
        and what it has learned is what it had after the best epoch, also if it did not end early.
      checkpoints: where to save the run, and to go on from if there is one.
      devices: on which to train, each batch shared out among them; JAX's default one by default. How many there are
        changes neither the order of the samples nor a key, only the order of sums. They may belong to several
        processes (`jax.distributed`), all of which then call `fit` alike and see the same directory of checkpoints.
      shard_parameters: whether each device holds only its part of the parameters and of the optimizer's state.
      on_resume: called with the number of steps taken before, if the run goes on from a checkpoint.
      on_epoch: called with each epoch's record as soon as it is there.
      progress: whether to show a bar, which is quiet when the output is no terminal.

    Raises:
      ValueError: before the first step, if `epochs` or `batch_size` is out of range, the layer has not one
        output for each class, the loss not one number an example, a batch size has no training step, the
        validation split is of another kind, or a checkpoint of another run (`checkpoint.MismatchError`).
      FloatingPointError: at the first step that is not finite, unless such are skipped; if no step of an epoch is
        finite; or if in the end a parameter is not.
      CheckpointError: if a checkpoint cannot be written, or none of those that are there is whole.
      InUseError: if another run keeps its checkpoints in the same directory.
      Interrupted: with checkpoints, after a signal, when the run is saved.
    """
    if epochs < 1:
        raise ValueError(f"fit expects at least 1 epoch, got {epochs}.")
    if patience is not None and (patience < 1 or validation is None):
        raise ValueError(
            f"fit expects a patience of at least 1 epoch, and a validation split to judge, got {patience}."
        )
    begin = partial(init_train_state, scale_loss=scale_loss, average=average is not None)
    batches = make_batches(len(train), batch_size, seed, drop_last=drop_last)
    check_validation(train, validation)
    placement = Placement(devices, batch_size, shard_parameters=shard_parameters)
    keep_memory()
    with ExitStack() as stack:
        signals, keeper, snapshot = Signals(), None, None
        if checkpoints:
            signals = stack.enter_context(deferred())
            identity, writes = _identity(train, validation, batches), jax.process_index() == 0
            keeper = stack.enter_context(Keeper(checkpoints, identity, writes=writes))
            placement.agree(0)  # the others read when the one that writes has cleared up
            snapshot = keeper.newest()
            check_agreement(placement.agree(snapshot.step if snapshot else -1))
        normalization = _normalization(snapshot) if snapshot else normalization_of(train)
        first = jax.eval_shape(normalization, jax.ShapeDtypeStruct((batch_size, *train.image_shape), jnp.uint8))
        check_outputs(layer, loss, first, train)
        initial = placement.state(begin(layer, optimizer, seed, first))
        course = Course(initial, normalization, batches, halts=on_nonfinite == "halt", keeps_best=patience is not None)
        look = "tell" if on_nonfinite == "halt" else on_nonfinite
        step = jax.jit(
            make_step(layer, optimizer, loss, normalization, augment, look, average)
        )  # traced once a batch size
        check_steps(step, initial, train, {len(chosen) for chosen in batches.epoch(0)})
        stretch = jax.jit(
            make_stretch(step, stops=course.halts),
            # Who halts goes back to the state before a stretch, which must then still be there.
            donate_argnums=() if course.halts else 0,
            out_shardings=(placement.shardings(initial), placement.everywhere),
            compiler_options=compiler_options(step, initial, batch_shapes(train, batch_size)),
        )
        if keeper and snapshot:
            keeper.restore(snapshot, course)
            if on_resume is not None:
                on_resume(course.step)
        evaluate = make_evaluate(
            layer,
            loss,
            normalization,
            pause=signals if placement.processes == 1 else _go_on,  # several heed one together, between two stretches
            put=lambda arrays: placement.batches(arrays, axis=0),
            everywhere=placement.everywhere,
        )
        bar = stack.enter_context(_bar(epochs * batches.per_epoch, course.step, progress))

        def judge(train_state: TrainState) -> Evaluation:
            assert validation is not None
            return evaluate(train_state.learned, train_state.state, validation)

        try:
            run_epochs(
                course,
                epochs,
                stretch=stretch,
                supplies=make_supplies(train, batches, reading, placement),
                judge=judge if validation is not None else None,
                keeper=keeper,
                signals=signals,
                agree=placement.agree,
                on_steps=bar.update,
                on_epoch=on_epoch,
                patience=patience,
            )
        except NonfiniteError:
            samples = batches.indices(course.step)
            batch = Batch(jnp.asarray(train.read(samples)), jnp.asarray(train.labels[samples]))
            directory = checkpoints.directory if checkpoints and jax.process_index() == 0 else None
            course.train_state = to_local(course.train_state)
            raise FloatingPointError(explain(layer, loss, augment, course, batch, samples, directory)) from None
    last = course.train_state if course.best is None else course.train_state._replace(**course.best)
    if not jax.jit(all_finite, out_shardings=placement.everywhere)(last.params):
        raise FloatingPointError("the last steps left parameters that are not finite. A lower learning rate may help.")
    trained = to_local(last) if placement.processes > 1 else last
    return Fit(trained, normalization, course.history, lambda split: evaluate(last.learned, last.state, split))


def _identity(train: Split | Streamed, validation: Split | Streamed | None, batches: Batches) -> dict[str, Any]:
    return {
        "train": fingerprint(train),
        "validation": fingerprint(validation) if validation is not None else None,
        "batch_size": batches.size,
        "seed": batches.seed,
        "drop_last": batches.drop_last,
    }


def _normalization(snapshot: Snapshot) -> Normalization:
    return Normalization(snapshot.arrays["normalization/mean"], snapshot.arrays["normalization/std"])


def _go_on() -> None:
    """Never pauses."""


def _bar(total: int, done: int, progress: bool) -> Any:
    from tqdm import tqdm  # only who trains waits for it

    # disable=None: no bar where the output is no terminal.
    disable = None if progress else True
    return tqdm(total=total, initial=done, unit="step", leave=False, dynamic_ncols=True, disable=disable)
