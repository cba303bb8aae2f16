"""Label smoothing: the right class gets a little less than all, so that a network need not be infinitely sure.

Reference: Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", arXiv 1512.00567, sec. 7.
"""

import jax
import jax.numpy as jnp

from fnn.data.augment.augmentation import AugmentFn


def smooth_labels(change: AugmentFn | None, classes: int, amount: float) -> AugmentFn:
    """Makes an augmentation whose targets are smoothed: `(1 − amount) · target + amount / classes`.

    Only what is learnt from is smoothed, so that validation measures what it always does.

    Args:
      change: what is done before, `(key, images, labels) -> (images, targets)`; nothing if None.
      classes: how many there are.
      amount: from 0 to, not including, 1.

    Raises:
      ValueError: if `amount` is out of range.
    """
    if not 0 <= amount < 1:
        raise ValueError(f"smooth_labels expects an amount from 0 up to, not including, 1, got {amount}.")

    def apply(key: jax.Array, images: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
        if change is not None:
            images, targets = change(key, images, targets)
        weights = jax.nn.one_hot(targets, classes, dtype=jnp.float32) if targets.ndim == 1 else targets
        return images, (1 - amount) * weights + amount / classes

    return apply
