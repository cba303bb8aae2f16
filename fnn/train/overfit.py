"""Can a network learn one small batch by heart? The check to run before training: what cannot, will not learn more."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fnn.layer import Layer
from fnn.losses import softmax_cross_entropy
from fnn.train.health import LayerHealth, examine, findings
from fnn.train.nonfinite import first_nonfinite
from fnn.train.step import Batch, LossFn, Metrics, TrainState, init_train_state, make_step

FAR_FROM_CHANCE = 2.0
"""A first loss of more than so many times that of equal outputs is a finding: see `Overfit.chance_loss`."""

RISEN = 10.0
"""A loss that on the way was more than so many times the first is a finding."""

FALLING = 0.98
"""The loss is still falling if the mean of its last fifth is below this share of the fifth before."""


class Overfit(NamedTuple):
    """What came of the attempt to learn one batch by heart."""

    reached: bool
    """Whether the network, in evaluation mode, came to classify every sample right."""
    steps: int
    """How many were taken: until then, or all, or until a step that was not finite."""
    chance_loss: float
    """The mean loss of outputs that are all equal, which is where a network without knowledge should begin: the
    logarithm of the number of classes for `softmax_cross_entropy` (Stanford CS231n, "Neural networks part 3", sanity
    checks)."""
    first_loss: float
    """Of the initial network, in training mode."""
    loss: float
    """Of the last network, in evaluation mode: running moments instead of the batch's, no dropout."""
    accuracy: float
    """Of the last network, in evaluation mode."""
    train_accuracy: float
    """In the last step's forward pass, in training mode: with the batch's own moments and with dropout."""
    losses: np.ndarray
    """`(steps,)`: each step's, in training mode, before its update."""
    at_first: list[LayerHealth]
    """Of each layer, before the first step."""
    at_last: list[LayerHealth]
    """Of each layer, after the last."""
    findings: list[str]
    """What looks wrong, in words, if it was not reached; at least one."""
    train_state: TrainState
    """The last."""


def choose_samples(labels: np.ndarray, count: int) -> np.ndarray:
    """Chooses a small batch in which every class has the same share: the first of each class, then the second, … .

    Args:
      labels: `(samples,)`, of a split.
      count: how many to choose.

    Returns:
      `(count,)`: which samples, in the split's order.

    Raises:
      ValueError: if there are not so many, or `count` is below 2.
    """
    if not 2 <= count <= len(labels):
        raise ValueError(f"a batch to overfit needs from 2 to {len(labels)} samples, all of the split, got {count}.")
    rank = np.zeros(len(labels), np.int64)  # the how many-eth of its class each sample is
    for label in np.unique(labels):
        rank[labels == label] = np.arange(np.count_nonzero(labels == label))
    return np.sort(np.argsort(rank, kind="stable")[:count])


def overfit_batch(
    layer: Layer,
    batch: Batch,
    optimizer: optax.GradientTransformation,
    *,
    steps: int = 500,
    loss: LossFn = softmax_cross_entropy,
    prepare: Callable[[jax.Array], jax.Array] = lambda images: images,
    seed: int = 0,
    scale_loss: bool = False,
) -> Overfit:
    """Trains a network on one fixed batch until it classifies every sample of it right.

    There is no augmentation. The steps are those of training: dropout and the optimizer's weight decay act as they are
    given, and make it harder; to see the network alone, leave them out.

    Args:
      layer: what is tried; its initial values are those that `fit` gives it for the same seed.
      batch: a few samples, of at least two classes; see `choose_samples`.
      optimizer: any optax optimizer.
      steps: how many to take at most.
      loss: one number an example, as in `fnn.losses`.
      prepare: what turns images into the layer's input, such as a `fnn.data.Normalization`.
      seed: of the initial parameters and all randomness of the steps.
      scale_loss: whether the loss is scaled, which a network in float16 needs.

    Raises:
      ValueError: if `steps` is below 1, or all samples are of one class.
    """
    labels = np.asarray(batch.labels)
    if steps < 1:
        raise ValueError(f"overfit_batch expects at least 1 step, got {steps}.")
    if len(np.unique(labels)) < 2:
        raise ValueError(
            f"overfit_batch expects a batch of at least two classes, got {len(labels)} samples of class {labels[0]}: "
            "one class is learnt without looking at an image."
        )
    x = prepare(batch.images)
    train_state = init_train_state(layer, optimizer, seed, x, scale_loss=scale_loss)
    step = make_step(layer, optimizer, loss, prepare, on_nonfinite="tell")

    @jax.jit
    def advance(before: TrainState) -> tuple[TrainState, Metrics, _Judged]:
        after, metrics = step(before, batch)
        after = jax.lax.cond(metrics.finite, lambda: after, lambda: before)  # what is not finite is looked at before it
        outputs, _ = layer.apply(after.params, after.state, x, train=False)
        right = jnp.argmax(outputs, axis=-1) == batch.labels
        values = loss(outputs, batch.labels), right.astype(jnp.float32), loss(jnp.zeros_like(outputs), batch.labels)
        return after, metrics, _Judged(*map(jnp.mean, values))

    def look(measure: Callable[..., Any]) -> Any:
        key = jax.random.fold_in(train_state.key, train_state.step)  # the next step's
        return measure(layer, loss, train_state.params, train_state.state, x, batch.labels, key)

    at_first = look(examine)
    history: list[tuple[Metrics, _Judged]] = []
    while len(history) < steps and not (history and (history[-1][1].accuracy == 1 or not history[-1][0].finite)):
        train_state, *measured = advance(train_state)
        history.append(tuple(jax.device_get(measured)))
    (first, _), (last, judged) = history[0], history[-1]
    done = Overfit(
        reached=bool(judged.accuracy == 1),
        steps=len(history),
        chance_loss=float(judged.chance_loss),
        first_loss=float(first.loss),
        loss=float(judged.loss),
        accuracy=float(judged.accuracy),
        train_accuracy=float(last.accuracy),
        losses=np.asarray([metrics.loss for metrics, _ in history]),
        at_first=at_first,
        at_last=look(examine),
        findings=[],
        train_state=train_state,
    )
    if done.reached:
        return done
    if last.finite:
        said = [*_of_the_course(done), *(f"after {done.steps} steps, {line}" for line in findings(done.at_last))]
    else:
        blame = look(first_nonfinite) or "its loss or gradient, though it is finite when each layer is watched"
        said = [f"step {done.steps} is not finite: {blame}"]
    said += [f"before the first step, {line}" for line in findings(done.at_first)]
    said += [*_of_the_first_loss(done), *_contradictions(batch)]
    return done._replace(findings=said or [_nothing_else(done)])


class _Judged(NamedTuple):
    """A network in evaluation mode."""

    loss: jax.Array
    accuracy: jax.Array
    chance_loss: jax.Array


def _of_the_course(done: Overfit) -> list[str]:
    said = []
    if done.losses.max() > RISEN * done.first_loss:
        said.append(
            f"the loss rose from {done.first_loss:.4g} to {done.losses.max():.4g} on the way: the steps are too large; "
            "try a lower learning rate"
        )
    if done.train_accuracy == 1:
        said.append(
            "in training mode every sample was right in the end, in evaluation mode "
            f"{100 * done.accuracy:.0f} %: BatchNorm's running moments are behind the batch's; take more steps, or "
            "lower its momentum"
        )
    return said


def _of_the_first_loss(done: Overfit) -> list[str]:
    if not 0 < FAR_FROM_CHANCE * done.chance_loss < done.first_loss:
        return []
    return [
        f"the loss begins at {done.first_loss:.4g}, that of equal outputs is {done.chance_loss:.4g}: the first outputs "
        "are too large; try smaller initial weights, above all in the last layer, and normalized images"
    ]


def _contradictions(batch: Batch) -> list[str]:
    """Says which samples show the same image under different labels: no network tells them apart."""
    seen: dict[bytes, int] = {}
    said = []
    for number, (image, label) in enumerate(zip(np.asarray(batch.images), np.asarray(batch.labels), strict=True)):
        first = seen.setdefault(image.tobytes(), number)
        if batch.labels[first] != label:
            said.append(f"samples {first} and {number} are the same image, labelled {batch.labels[first]} and {label}")
    return said


def _nothing_else(done: Overfit) -> str:
    """Says how the loss went, where nothing in the network looks wrong."""
    fifth = max(len(done.losses) // 5, 1)
    before, last = done.losses[-2 * fifth : -fifth], done.losses[-fifth:]
    fell = f"the loss went from {done.first_loss:.4g} to {done.losses[-1]:.4g}"
    if len(before) and last.mean() < FALLING * before.mean():
        return f"nothing looks wrong, and {fell} and was still falling: take more steps, or a higher learning rate"
    return (
        f"no layer looks wrong, but {fell} and does not fall on: try other learning rates, a wider or deeper network, "
        "less dropout and weight decay, and look at whether the labels belong to the images"
    )
