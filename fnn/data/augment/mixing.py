"""Examples mixed with one another, and their labels in the same shares.

Partners are a random permutation of the batch: every example lends to one other and borrows from one other, which now
and then is itself.
"""

import math

import jax
import jax.numpy as jnp

from fnn.data.augment.augmentation import (
    Augmentation,
    check_strength,
    per_example,
    unchanged,
    working_dtype,
)
from fnn.data.augment.erase import draw_middles, inside
from fnn.keys import named_key


def mixup(alpha: float) -> Augmentation:
    """Averages each image and its label with another's, in shares λ and 1 - λ.

    λ is drawn from Beta(α, α) for each example: near 0 or 1 for a small α, uniform for α = 1. Zhang et al. 2017,
    "mixup: beyond empirical risk minimization", arXiv 1710.09412; their code draws λ once for a batch.

    Args:
      alpha: α; 0 mixes nothing.

    Raises:
      ValueError: if `alpha` is negative or not finite.
    """
    check_strength("mixup", alpha, math.inf, "α of Beta(α, α)")
    if not alpha:
        return unchanged

    def apply(key: jax.Array, images: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
        shares = draw_shares(key, "mixup", len(images), alpha)
        partners = draw_partners(key, "mixup", len(images))
        return blend(images, images[partners], shares), blend(targets, targets[partners], shares)

    return Augmentation(("mixup",), apply, mixes=True)


def cutmix(alpha: float) -> Augmentation:
    """Pastes a box of another image into each, and gives the other's label the share of the pasted area.

    The box has the image's proportions and a share 1 - λ of its area, λ drawn from Beta(α, α) for each example; its
    middle is any pixel, and what reaches beyond the image is cut off. The label's share is that of the pixels pasted in
    fact. Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with localizable features",
    arXiv 1905.04899; their code draws λ and the box once for a batch.

    Args:
      alpha: α; 1 makes λ uniform, as in the paper; 0 mixes nothing.

    Raises:
      ValueError: if `alpha` is negative or not finite.
    """
    check_strength("cutmix", alpha, math.inf, "α of Beta(α, α)")
    if not alpha:
        return unchanged

    def apply(key: jax.Array, images: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
        batch, height, width, _ = images.shape
        pasted = jnp.sqrt(1 - draw_shares(key, "cutmix", batch, alpha))
        sides = jnp.floor(pasted[:, None] * jnp.array([[height, width]], pasted.dtype)).astype(jnp.int32)
        middles = draw_middles(named_key(named_key(key, "cutmix"), "boxes"), batch, height, width)
        box = inside(middles - sides // 2, sides, height, width)
        partners = draw_partners(key, "cutmix", batch)
        own = 1 - jnp.sum(box, axis=(1, 2, 3)).astype(jnp.float32) / (height * width)
        return jnp.where(box, images[partners], images), blend(targets, targets[partners], own)

    return Augmentation(("cutmix",), apply, mixes=True)


def draw_shares(key: jax.Array, name: str, examples: int, alpha: float) -> jax.Array:
    """Draws λ from Beta(`alpha`, `alpha`) for each example: `(examples,)`, float32."""
    # A t-variate of 2α degrees of freedom by Bailey's polar method (1994, Mathematics of Computation 62), mapped to
    # [0, 1]. jax.random.beta draws the same distribution by rejection: loops that take a second to compile.
    radius, angle = jax.random.uniform(named_key(named_key(key, name), "shares"), (examples, 2), jnp.float32).T
    cosine = jnp.cos(2 * math.pi * angle)
    # Beyond e⁸⁰ the share is 0 or 1 anyhow, and infinity times a cosine of 0 would be NaN.
    odds = jnp.expm1(jnp.minimum(-jnp.log(radius) / alpha, 80)) * cosine**2
    return (1 + jnp.sign(cosine) / jnp.sqrt(1 + 1 / odds)) / 2


def draw_partners(key: jax.Array, name: str, examples: int) -> jax.Array:
    """Draws a permutation: `(examples,)`, the number of each example's partner."""
    return jax.random.permutation(named_key(named_key(key, name), "partners"), examples)


def blend(mine: jax.Array, other: jax.Array, shares: jax.Array) -> jax.Array:
    """Returns `λ · mine + (1 − λ) · other` with each example's λ of `shares`, `(batch,)`; of the dtype of `mine`."""
    dtype = working_dtype(mine)
    shares = per_example(shares, mine).reshape(-1, *(1,) * (mine.ndim - 1))
    return (shares * mine.astype(dtype) + (1 - shares) * other.astype(dtype)).astype(mine.dtype)
