"""Which learning rates a network can take: the rate rises from step to step until the loss runs away.

Reference: Smith 2017, "Cyclical learning rates for training neural networks", arXiv 1506.01186, section 3.3.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fnn.data import Split, Streamed, feed, make_batches, normalization_of
from fnn.layer import Layer
from fnn.losses import softmax_cross_entropy
from fnn.train.step import AugmentFn, Batch, LossFn, init_train_state, make_step

RUN_AWAY = 4.0
"""The test ends where the smoothed loss is so many times its lowest so far."""

BELOW = 10.0
"""The suggestion is the rate of the lowest smoothed loss divided by this: there it still falls, far from the edge."""


class RangeTest(NamedTuple):
    """What each rate did."""

    rates: np.ndarray
    """`(steps,)`, each a constant times the one before."""
    losses: np.ndarray
    """`(steps,)`: of the step's batch, before its update."""
    smoothed: np.ndarray
    """`(steps,)`: their moving average, corrected for its beginning."""
    suggestion: float
    """A learning rate to begin with."""


def range_test(
    layer: Layer,
    split: Split | Streamed,
    optimizer: Callable[[optax.Schedule], optax.GradientTransformation],
    *,
    batch_size: int,
    loss: LossFn = softmax_cross_entropy,
    augment: AugmentFn | None = None,
    seed: int = 0,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 200,
    smoothing: float = 0.9,
) -> RangeTest:
    """Trains a copy with a rising rate, and forgets it: nothing is left in any run, which derives all it has anew.

    Args:
      layer: what is tried; it begins as `fit` would begin with the same seed.
      split: what it learns from.
      optimizer: makes the optimizer from a schedule, `(update) -> rate`.
      batch_size: how many samples a step sees.
      loss: one number an example.
      augment: what changes each batch, as for `make_step`.
      seed: as of `fit`.
      low: the first rate.
      high: the rate of the last step, unless the loss runs away before.
      steps: how many at most.
      smoothing: the share of the moving average that each step keeps.

    Raises:
      ValueError: if the rates do not rise, there are fewer than 2 steps, or no rate gives a finite loss.
    """
    if not 0 < low < high < float("inf") or steps < 2:
        raise ValueError(f"range_test expects 0 < low < high and at least 2 steps, got {low}, {high} and {steps}.")
    growth = (high / low) ** (1 / (steps - 1))
    normalization = normalization_of(split)
    rising = optimizer(lambda count: low * jnp.exp(np.log(growth) * jnp.asarray(count, jnp.float32)))
    first = jax.eval_shape(normalization, jax.ShapeDtypeStruct((batch_size, *split.image_shape), jnp.uint8))
    state = init_train_state(layer, rising, seed, first)
    step = jax.jit(make_step(layer, rising, loss, normalization, augment))
    batches = make_batches(len(split), batch_size, seed, drop_last=True)
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    for images, labels in feed(split, batches, range(steps)):
        state, metrics = step(state, Batch(jnp.asarray(images), jnp.asarray(labels)))
        value = float(metrics.loss)
        if not np.isfinite(value):
            break
        mean = smoothing * mean + (1 - smoothing) * value
        losses.append(value)
        smoothed.append(mean / (1 - smoothing ** len(losses)))
        if smoothed[-1] > RUN_AWAY * min(smoothed):
            break
    if not losses:
        raise ValueError("range_test found no finite loss: look at the data and the network first.")
    rates = low * growth ** np.arange(len(losses))
    return RangeTest(rates, np.asarray(losses), np.asarray(smoothed), float(rates[np.argmin(smoothed)]) / BELOW)
