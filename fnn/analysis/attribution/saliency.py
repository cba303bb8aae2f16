"""Which pixels a score would move with."""

import jax
import jax.numpy as jnp

from fnn.analysis.attribution.score import Score


def saliency(score: Score, images: jax.Array) -> jax.Array:
    """How much a score changes with each pixel: the largest gradient, in size, over the pixel's channels.

    Args:
      score: one number an image, such as a `class_score`.
      images: `(batch, height, width, channels)`.

    Returns:
      `(batch, height, width)`, not negative.

    Reference: Simonyan, Vedaldi & Zisserman 2014, "Deep inside convolutional networks: visualising image classification
    models and saliency maps", section 3.
    """
    # No image's score depends on another image, so the sum's gradient has every image's own.
    gradient = jax.grad(lambda x: score(x).sum())(images)
    return jnp.abs(gradient).max(axis=-1)
