"""What is compiled for many models: beginning, taking steps, judging; each for one model and for several at once."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fnn.data import Normalization
from fnn.layer import Layer
from fnn.train.many.models import Way
from fnn.train.step import AugmentFn, Batch, LossFn, OnNonfinite, TrainState, choose, init_train_state, make_step

BLOCK = 512
"""How many samples are evaluated at a time."""

OptimizerFn = Callable[[Mapping[str, Any], int], optax.GradientTransformation]
"""`(hyper, steps) -> optimizer`."""


class Standing(NamedTuple):
    """Where a model's training stands."""

    train_state: TrainState
    go: jax.Array
    """`()`, bool: whether it goes on; not after a step that halted it."""


class Programs(NamedTuple):
    """The compiled parts; by way, where `"together"` takes a leading axis of models and `"in turns"` has none."""

    begin: Callable[[Any, Any], Standing]
    """`(seed, hyper) -> standing` of one model: it runs once, and to compile it for several takes seconds."""
    run_steps: dict[Way, Any]
    """`(data, standing, hyper, moments, order, count) -> standing, measured`: the first `count` steps of `order`,
    `(steps, batch)`, with each step's loss, accuracy and finiteness, `(steps, 3)`. It may overwrite `standing`."""
    judge: dict[Way, Any]
    """`(images, variables, moments, chosen) -> outputs` for the samples of `chosen`, `(blocks, BLOCK)`."""


def make_programs(
    layer: Layer,
    optimizer: OptimizerFn,
    loss: LossFn,
    augment: AugmentFn | None,
    on_nonfinite: OnNonfinite,
    shape: tuple[int, ...],
) -> Callable[[int], Programs]:
    """Makes the programs of models by the number of steps that they take in all.

    Args:
      layer: what is trained.
      optimizer: makes the optimizer from hyperparameters and the number of steps.
      loss: one number an example.
      augment: what changes each batch.
      on_nonfinite: what a step does that is not finite.
      shape: of a batch of images.
    """
    judge = _both_ways(lambda *args: _judge(layer, *args), (None, 0, 0, 0))

    @cache
    def programs(steps: int) -> Programs:
        def begin(seed: Any, hyper: Mapping[str, Any]) -> Standing:
            x = jax.ShapeDtypeStruct(shape, jnp.float32)
            return Standing(init_train_state(layer, optimizer(hyper, steps), seed, x), jnp.bool_(True))

        def run_steps(
            data: tuple[jax.Array, jax.Array],
            standing: Standing,
            hyper: Any,
            moments: Any,
            order: jax.Array,
            count: Any,
        ) -> tuple[Standing, jax.Array]:
            normalize = Normalization(*moments)
            look = "tell" if on_nonfinite == "halt" else on_nonfinite
            step = make_step(layer, optimizer(hyper, steps), loss, normalize, augment, look)

            def body(number: jax.Array, carry: tuple[Standing, jax.Array]) -> tuple[Standing, jax.Array]:
                (before, go), measured = carry
                images, labels = (array[order[number]] for array in data)
                train_state, metrics = step(before, Batch(images, labels))
                if on_nonfinite == "halt":  # while the others go on, a model can only stand still
                    go = go & metrics.finite
                    train_state = choose(go, train_state, before)
                numbers = jnp.stack([value.astype(jnp.float32) for value in metrics])
                return Standing(train_state, go), measured.at[number].set(numbers)

            # The number of steps is an input, so that a short measurement and a whole epoch are one program.
            return jax.lax.fori_loop(0, count, body, (standing, jnp.zeros((order.shape[0], 3), jnp.float32)))

        return Programs(jax.jit(begin), _both_ways(run_steps, (None, 0, 0, 0, 0, None), donate_argnums=1), judge)

    return programs


def blocks_of(chosen: np.ndarray) -> np.ndarray:
    """Cuts samples into the blocks that `judge` takes; the last is filled up with the first sample."""
    size = min(BLOCK, len(chosen))
    filled = np.resize(chosen, -(-len(chosen) // size) * size)
    filled[len(chosen) :] = chosen[0]
    return filled.reshape(-1, size).astype(np.int32)


def _judge(layer: Layer, images: jax.Array, variables: Any, moments: Any, chosen: jax.Array) -> jax.Array:
    normalize, (params, state) = Normalization(*moments), variables

    def block(chosen: jax.Array) -> jax.Array:
        return layer.apply(params, state, normalize(images[chosen]), train=False)[0]

    return jax.lax.map(block, chosen)


def _both_ways(function: Callable[..., Any], axes: tuple[int | None, ...], **options: Any) -> dict[Way, Any]:
    return {
        "together": jax.jit(jax.vmap(function, in_axes=axes), **options),
        "in turns": jax.jit(function, **options),
    }
