"""Training over epochs."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fnn.data import READING, Normalization, Reading, Split, Streamed, feed, make_batches, normalization_of, to_device
from fnn.layer import Layer
from fnn.losses import softmax_cross_entropy
from fnn.train.checks import check_outputs, check_steps, check_validation
from fnn.train.evaluate import Evaluation, make_evaluate
from fnn.train.step import AugmentFn, Batch, LossFn, TrainState, init_train_state, make_step


class Epoch(NamedTuple):
    """What one epoch came to. The training numbers are means over its steps' samples, measured as it learned."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float
    """From the epoch's start to its end, compilation and validation included."""


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
    on_epoch: Callable[[Epoch], None] | None = None,
    progress: bool = False,
) -> Fit:
    """Trains a layer on a split; in every epoch every sample is seen exactly once, in memory or streamed.

    Equal arguments give equal bits on one machine and version of JAX.

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
      on_epoch: called with each epoch's record as soon as it is there.
      progress: whether to show a bar, which is quiet when the output is no terminal.

    Raises:
      ValueError: before the first step, if `epochs` or `batch_size` is out of range, the layer has not one
        output for each class, the loss not one number an example, a batch size has no training step, or the
        validation split is of another kind.
      FloatingPointError: if an epoch's training loss, or in the end a parameter, is not finite.
    """
    if epochs < 1:
        raise ValueError(f"fit expects at least 1 epoch, got {epochs}.")
    batches = make_batches(len(train), batch_size, seed, drop_last=drop_last)
    normalization = normalization_of(train)
    first = jax.eval_shape(normalization, jax.ShapeDtypeStruct((batch_size, *train.image_shape), jnp.uint8))
    check_outputs(layer, loss, first, train)
    check_validation(train, validation)
    # Copied, because some optimizers keep the parameters in their own state, and no buffer can be donated twice.
    train_state = jax.tree.map(lambda leaf: leaf.copy(), init_train_state(layer, optimizer, seed, first))
    step = jax.jit(make_step(layer, optimizer, loss, normalization, augment), donate_argnums=0)
    check_steps(step, train_state, train, {len(chosen) for chosen in batches.epoch(0)})
    evaluate = make_evaluate(layer, loss, normalization)
    history = []
    with _bar(epochs * batches.per_epoch, progress) as bar:
        for epoch in range(epochs):
            start = time.perf_counter()
            steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
            arrays = to_device(feed(train, batches, steps, reading))
            train_state, (train_loss, train_accuracy) = _run_epoch(step, train_state, arrays, bar)
            if not np.isfinite(train_loss):
                raise FloatingPointError(
                    f"the training loss of epoch {epoch + 1} is {train_loss}. A lower learning rate may help."
                )
            judged = None if validation is None else evaluate(train_state.params, train_state.state, validation)
            val_loss, val_accuracy = (judged.loss, judged.accuracy) if judged else (None, None)
            seconds = time.perf_counter() - start
            history.append(Epoch(epoch + 1, train_loss, train_accuracy, val_loss, val_accuracy, seconds))
            if on_epoch is not None:
                on_epoch(history[-1])
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(train_state.params))):
        raise FloatingPointError("the last steps left parameters that are not finite. A lower learning rate may help.")
    return Fit(
        train_state,
        normalization,
        history,
        lambda split: evaluate(train_state.params, train_state.state, split),
    )


def _run_epoch(
    step: Callable[..., Any], train_state: TrainState, batches: Iterator[tuple[jax.Array, jax.Array]], bar: Any
) -> tuple[TrainState, tuple[float, float]]:
    """Takes a step for each batch; returns the means of loss and accuracy over all samples."""
    metrics, sizes = [], []
    for images, labels in batches:
        train_state, measured = step(train_state, Batch(images, labels))
        metrics.append(measured)  # stays on the device: reading it here would wait for every step
        sizes.append(len(labels))
        bar.update()
    loss, accuracy = np.average(np.asarray(jax.device_get(metrics)), axis=0, weights=sizes)
    return train_state, (float(loss), float(accuracy))


def _bar(total: int, progress: bool) -> Any:
    from tqdm import tqdm  # only who trains waits for it

    # disable=None: no bar where the output is no terminal.
    return tqdm(total=total, unit="step", leave=False, dynamic_ncols=True, disable=None if progress else True)
