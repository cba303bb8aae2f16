"""One step of training, as a pure function: jit it, scan it, vmap it, shard it."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax

from fnn.keys import named_key
from fnn.layer import Layer, Params, State

AugmentFn = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
"""`(key, images, labels) -> (images, targets)`, as in `fnn.data.augment`."""

LossFn = Callable[[Any, jax.Array], jax.Array]
"""`(outputs, labels) -> (batch,)`: one number an example, as in `fnn.losses`."""


class TrainState(NamedTuple):
    """All that a step reads and writes. Two runs with equal train states and equal batches go on equally."""

    params: Params
    state: State
    opt_state: optax.OptState
    step: jax.Array
    """`()`, int32: how many steps were taken."""
    key: jax.Array
    """From which, with `step`, each step's randomness comes; it never changes."""


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


def init_train_state(layer: Layer, optimizer: optax.GradientTransformation, seed: int, x: Any) -> TrainState:
    """Initializes a layer and its optimizer.

    Args:
      layer: what is trained.
      optimizer: any optax optimizer.
      seed: from which the initial parameters and the randomness of every step derive.
      x: a prepared batch, or its `jax.ShapeDtypeStruct`: what `layer` will be applied to.
    """
    key = jax.random.key(seed)
    params, state = jax.jit(lambda key: layer.init(key, x))(named_key(key, "init"))
    return TrainState(params, state, optimizer.init(params), jnp.int32(0), named_key(key, "step"))


def make_step(
    layer: Layer,
    optimizer: optax.GradientTransformation,
    loss: LossFn,
    prepare: Callable[[jax.Array], jax.Array] = lambda images: images,
    augment: AugmentFn | None = None,
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
    """

    update = optax.with_extra_args_support(optimizer).update

    def mean_loss(params: Params, state: State, batch: Batch, key: jax.Array) -> tuple[jax.Array, tuple[State, Any]]:
        outputs, state = layer.apply(params, state, prepare(batch.images), train=True, key=key)
        return jnp.mean(loss(outputs, batch.labels)), (state, outputs)

    def change(batch: Batch, key: jax.Array) -> Batch:
        return batch if augment is None else Batch(*augment(named_key(key, "augment"), batch.images, batch.labels))

    def step(train_state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        params, before, opt_state, count, base = train_state
        key = jax.random.fold_in(base, count)
        batch = change(batch, key)
        (value, (state, outputs)), gradient = jax.value_and_grad(mean_loss, has_aux=True)(params, before, batch, key)
        # Plain optimizers ignore the named arguments; those that search along a line want them.
        updates, opt_state = update(
            gradient,
            opt_state,
            params,
            value=value,
            grad=gradient,
            value_fn=lambda params: mean_loss(params, before, batch, key)[0],
        )
        params = cast(Params, optax.apply_updates(params, updates))
        labels = batch.labels if batch.labels.ndim == 1 else jnp.argmax(batch.labels, axis=-1)
        right = (jnp.argmax(outputs, axis=-1) == labels).astype(jnp.float32)
        return TrainState(params, state, opt_state, count + 1, base), Metrics(value, jnp.mean(right))

    return step
