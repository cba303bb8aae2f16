"""Images that a score is high for, found by climbing."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from fnn.analysis.attribution.score import Score


def ascend(
    score: Score,
    start: jax.Array,
    *,
    steps: int = 256,
    rate: float = 0.05,
    smoothness: float = 0.0,
    decay: float = 0.0,
    low: Any = -jnp.inf,
    high: Any = jnp.inf,
) -> jax.Array:
    """Changes images so that their score grows, and keeps them likely: gradient ascent with a prior.

    What is climbed is `score(x) − smoothness · Σ (differences of neighbouring pixels)² − decay · Σ x²`. What is taken
    off is, but for its sign, the logarithm of a Gaussian prior, under which neighbours are alike and numbers are near
    zero. After each step of Adam the numbers are cut to what pixels can be. Without a prior the images are noise that
    no photograph looks like.

    Args:
      score: one number an image, such as a `class_score` or a `unit_score`.
      start: `(batch, height, width, channels)`: where to begin.
      steps: how many to take.
      rate: Adam's learning rate, falling to zero as a cosine.
      smoothness: the weight of the squared differences between pixels above and beside each other.
      decay: the weight of the sum of squares.
      low: the least that a pixel can be: a number, or one a channel.
      high: the most.

    Returns:
      `(batch, height, width, channels)`.

    Reference: Simonyan, Vedaldi & Zisserman 2014, "Deep inside convolutional networks", section 2, for the ascent and
    the decay; Mahendran & Vedaldi 2016, "Visualizing deep convolutional neural networks using natural pre-images",
    section 3.2, for smoothness (their total variation with β = 2) and bounds.
    """
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))
    bounds = [jnp.broadcast_to(jnp.asarray(bound, start.dtype), start.shape[-1:]) for bound in (low, high)]
    least, most = (bound.reshape(1, 1, 1, -1) for bound in bounds)

    def descended(images: jax.Array) -> jax.Array:
        return smoothness * _roughness(images) + decay * jnp.square(images).sum() - score(images).sum()

    def step(_: jax.Array, carried: Any) -> Any:
        images, state = carried
        updates, state = optimizer.update(jax.grad(descended)(images), state)
        return jnp.clip(images + updates, least, most), state

    return lax.fori_loop(0, steps, step, (start, optimizer.init(start)))[0]


def _roughness(images: jax.Array) -> jax.Array:
    """The sum of the squared differences of pixels above and beside each other."""
    down, right = jnp.diff(images, axis=1), jnp.diff(images, axis=2)
    return jnp.square(down).sum() + jnp.square(right).sum()
