"""One step of training, as a pure function: jit it, scan it, vmap it, shard it."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax

from fnn.keys import named_key
from fnn.layer import Layer, Params, State

AugmentFn = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
"""`(key, images, labels) -> (images, targets)`, as in `fnn.data.augment`."""

LossFn = Callable[[Any, jax.Array], jax.Array]
"""`(outputs, labels) -> (batch,)`: one number an example, as in `fnn.losses`."""


class LossScale(NamedTuple):
    """By how much a loss is multiplied so that small gradients do not vanish in float16."""

    value: jax.Array
    """`()`, float32, a power of two."""
    good_steps: jax.Array
    """`()`, int32: how many steps in a row, up to `GROWTH_STEPS`, had a finite gradient."""


FIRST_SCALE = 2.0**15
GROWTH_STEPS = 2000
"""The scale is doubled after so many good steps in a row, and halved by each step whose gradient overflows."""


class TrainState(NamedTuple):
    """All that a step reads and writes. Two runs with equal train states and equal batches go on equally."""

    params: Params
    state: State
    opt_state: optax.OptState
    step: jax.Array
    """`()`, int32: how many steps were taken."""
    key: jax.Array
    """From which, with `step`, each step's randomness comes; it never changes."""
    loss_scale: LossScale | None = None
    """For float16; None for no scaling."""
    average: Params | None = None
    """The moving average of the parameters over the steps, where one is kept."""

    @property
    def learned(self) -> Params:
        """The parameters to use and to judge: their average where one is kept, else those of the last step."""
        return self.params if self.average is None else self.average


class Batch(NamedTuple):
    """Samples of one step."""

    images: jax.Array
    """`(batch, height, width, channels)`."""
    labels: jax.Array
    """`(batch,)`, int32; or `(batch, classes)`, weights."""


class Metrics(NamedTuple):
    """What a step, or an epoch, or a split came to."""

    loss: jax.Array
    """`()`: the mean over the samples."""
    accuracy: jax.Array
    """`()`: the share of samples whose highest output is the label's."""
    finite: jax.Array
    """`()`, bool: whether the loss was finite, and the gradient too where a step looks at it."""


def init_train_state(
    layer: Layer,
    optimizer: optax.GradientTransformation,
    seed: int,
    x: Any,
    *,
    scale_loss: bool = False,
    average: bool = False,
) -> TrainState:
    """Initializes a layer and its optimizer.

    Args:
      layer: what is trained.
      optimizer: any optax optimizer.
      seed: from which the initial parameters and the randomness of every step derive.
      x: a prepared batch, or its `jax.ShapeDtypeStruct`: what `layer` will be applied to.
      scale_loss: whether the loss is scaled, which a network in float16 needs.
      average: whether a moving average of the parameters is kept, as `make_step` is told how.
    """
    key = jax.random.key(seed)
    params, state = jax.jit(lambda key: layer.init(key, x))(named_key(key, "init"))
    mean = jax.tree.map(jnp.copy, params) if average else None  # no two leaves share a buffer, which may be donated
    scale = LossScale(jnp.float32(FIRST_SCALE), jnp.int32(0)) if scale_loss else None
    return TrainState(params, state, optimizer.init(params), jnp.int32(0), named_key(key, "step"), scale, mean)


OnNonfinite = Literal["halt", "skip", "ignore"]
"""What a run does at a step whose loss or gradient is not finite."""

Look = Literal["tell", "skip", "ignore"]
"""What the step itself does then."""


def make_step(
    layer: Layer,
    optimizer: optax.GradientTransformation,
    loss: LossFn,
    prepare: Callable[[jax.Array], jax.Array] = lambda images: images,
    augment: AugmentFn | None = None,
    on_nonfinite: Look = "ignore",
    average: float | None = None,
) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """Makes the step `(train_state, batch) -> (train_state, metrics)` of a layer.

    Args:
      layer: what is trained, in training mode.
      optimizer: any optax optimizer of a tree of parameters.
      loss: one number an example; the step descends on the mean.
      prepare: what turns a batch's images into the layer's input, such as a `fnn.data.Normalization`.
      augment: what changes a batch before that, `(key, images, labels) -> (images, targets)`, such as
        `fnn.data.augment.for_bytes(...)`. Its targets may be class weights, `(batch, classes)`; the accuracy is then
        that of the heaviest class.
      on_nonfinite: what a step does whose loss or gradient is not finite: `"ignore"` looks at the loss alone and
        updates all the same; `"tell"` looks at the gradient too, and says so in `Metrics.finite`, for who keeps the
        state before; `"skip"` only counts itself. With a scaled loss a step that overflows is always skipped, and is
        finite as long as the scale can still be halved.
      average: the share of the moving average that each step keeps, from 0 up to, not including, 1, such as 0.999, for
        train states that have one. After `n` steps it is at most `(1 + n) / (10 + n)`, so that the first steps do not
        linger.

    Raises:
      ValueError: if `average` is not in its range.

    Reference: the scaling of the loss is that of Micikevicius et al. 2017, arXiv 1710.03740, section 3.2; the average,
    Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging".
    """

    if average is not None and not 0 <= average < 1:
        raise ValueError(
            f"the share of the average that a step keeps must be from 0 up to, not including, 1: {average}."
        )
    update = optax.with_extra_args_support(optimizer).update

    def mean_loss(params: Params, state: State, batch: Batch, key: jax.Array) -> tuple[jax.Array, tuple[State, Any]]:
        outputs, state = layer.apply(params, state, prepare(batch.images), train=True, key=key)
        return jnp.mean(loss(outputs, batch.labels)), (state, outputs)

    def change(batch: Batch, key: jax.Array) -> Batch:
        return batch if augment is None else Batch(*augment(named_key(key, "augment"), batch.images, batch.labels))

    def descend(before: TrainState, batch: Batch) -> tuple[TrainState, Params, Metrics]:
        params, state, opt_state, count, base, scale, _ = before
        key = jax.random.fold_in(base, count)
        batch = change(batch, key)
        factor = 1.0 if scale is None else scale.value

        def scaled_loss(params: Params) -> tuple[jax.Array, tuple[jax.Array, State, Any]]:
            value, (new_state, outputs) = mean_loss(params, state, batch, key)
            return value * jnp.asarray(factor, value.dtype), (value, new_state, outputs)

        gradient, (value, new_state, outputs) = jax.grad(scaled_loss, has_aux=True)(params)
        if scale is not None:
            gradient = jax.tree.map(lambda leaf: leaf / scale.value.astype(leaf.dtype), gradient)
        # Plain optimizers ignore the named arguments; those that search along a line want them.
        updates, opt_state = update(
            gradient,
            opt_state,
            params,
            value=value,
            grad=gradient,
            value_fn=lambda params: mean_loss(params, state, batch, key)[0],
        )
        params = cast(Params, optax.apply_updates(params, updates))
        labels = batch.labels if batch.labels.ndim == 1 else jnp.argmax(batch.labels, axis=-1)
        right = (jnp.argmax(outputs, axis=-1) == labels).astype(jnp.float32)
        mean = before.average
        if mean is not None and average is not None:
            kept = jnp.minimum(average, (count + 1) / (count + 10))
            mean = jax.tree.map(lambda old, new: old + (1 - kept).astype(old.dtype) * (new - old), mean, params)
        after = TrainState(params, new_state, opt_state, count + 1, base, scale, mean)
        return after, gradient, Metrics(value, jnp.mean(right), jnp.isfinite(value))

    def step(before: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        after, gradient, metrics = descend(before, batch)
        if on_nonfinite == "ignore" and before.loss_scale is None:
            return after, metrics
        good = metrics.finite & all_finite(gradient)
        if on_nonfinite == "skip" or before.loss_scale is not None:
            after = choose(good, after, before._replace(step=after.step))
        if before.loss_scale is None:
            return after, metrics._replace(finite=good)
        # An overflow that a smaller scale may mend is no fault.
        finite = metrics.finite & (good | (before.loss_scale.value > 1))
        return after._replace(loss_scale=_adjust(before.loss_scale, good)), metrics._replace(finite=finite)

    return step


def all_finite(tree: Any) -> jax.Array:
    """Says whether every number of a tree is finite: `()`, bool."""
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]).all()


def choose(condition: jax.Array, one: TrainState, other: TrainState) -> TrainState:
    """Returns the one train state where the condition holds, else the other; both are of one key."""
    merged = jax.tree.map(partial(jnp.where, condition), one._replace(key=None), other._replace(key=None))
    return merged._replace(key=one.key)


def _adjust(scale: LossScale, good: jax.Array) -> LossScale:
    steps = jnp.where(good, scale.good_steps + 1, 0)
    grown = jnp.where(steps == GROWTH_STEPS, scale.value * 2, scale.value)
    return LossScale(jnp.where(good, grown, jnp.maximum(scale.value / 2, 1.0)), steps % GROWTH_STEPS)
