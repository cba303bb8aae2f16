"""Losses: pure functions that give one number an example, computed in at least float32. Take `.mean()` to train.

Labels are class numbers, or one row of probabilities an example (one-hot labels, soft labels). A class number that
does not exist gives NaN, never a silent value.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.ops import widen


@jax.named_scope("softmax_cross_entropy")
def softmax_cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """`−Σ_j p_j log softmax(logits)_j`: the surprise at the right class.

    Args:
      logits: `(…, classes)`, unnormalized.
      labels: `(…)` class numbers, or `(…, classes)` probabilities.

    Returns:
      `(…)`, one loss an example.

    Raises:
      ValueError: if the shapes do not fit.
    """
    log_p = jax.nn.log_softmax(widen(jnp.asarray(logits)), axis=-1)
    target, exists = _targets(log_p, labels, "softmax_cross_entropy")
    loss = -jnp.sum(_weigh(target, log_p), axis=-1)
    return jnp.where(exists, loss, jnp.nan)


@jax.named_scope("multiclass_hinge")
def multiclass_hinge(scores: jax.Array, labels: jax.Array, margin: float = 1.0) -> jax.Array:
    """`Σ_{j≠y} max(0, s_j − s_y + margin)`: the multiclass SVM loss (Weston & Watkins 1999).

    It sums over the wrong classes; `optax.losses.multiclass_hinge_loss` takes their maximum (Crammer & Singer 2001).

    Args:
      scores: `(…, classes)`.
      labels: `(…)` class numbers, or `(…, classes)` one-hot.
      margin: by how much the right class must win.

    Returns:
      `(…)`, one loss an example.

    Raises:
      ValueError: if the shapes do not fit.
    """
    scores = widen(jnp.asarray(scores))
    target, exists = _targets(scores, labels, "multiclass_hinge")
    right = jnp.sum(_weigh(target, scores), axis=-1, keepdims=True)
    loss = jnp.sum(_weigh(1 - target, jax.nn.relu(scores - right + margin)), axis=-1)
    return jnp.where(exists, loss, jnp.nan)


@jax.named_scope("binary_cross_entropy")
def binary_cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """`−Σ_j d_j log y_j + (1 − d_j) log(1 − y_j)` with `y = sigmoid(logits)`: each class a yes or no of its own.

    Args:
      logits: `(…, classes)`, before the sigmoid, from which the loss is finite however sure the network is.
      labels: `(…, classes)`, each in [0, 1].

    Returns:
      `(…)`, one loss an example.

    Raises:
      ValueError: if the shapes differ.
    """
    logits = widen(jnp.asarray(logits))
    labels = _same_shape(logits, labels, "binary_cross_entropy")
    yes, no = jax.nn.softplus(-logits), jax.nn.softplus(logits)  # −log y and −log(1 − y)
    return jnp.sum(_weigh(labels, yes) + _weigh(1 - labels, no), axis=-1)


@jax.named_scope("squared_error")
def squared_error(predictions: jax.Array, targets: jax.Array, *, half: bool = False) -> jax.Array:
    """`Σ_j (y_j − t_j)²`, or half of it, whose gradient is `y − t`.

    Args:
      predictions: `(…, features)`.
      targets: the same shape; nothing is broadcast.
      half: whether to return `½ Σ_j (y_j − t_j)²`.

    Returns:
      `(…)`, one loss an example.

    Raises:
      ValueError: if the shapes differ.
    """
    predictions = widen(jnp.asarray(predictions))
    total = jnp.sum(jnp.square(predictions - _same_shape(predictions, targets, "squared_error")), axis=-1)
    return total / 2 if half else total


@jax.named_scope("l2")
def l2(params: Any, strength: float = 1.0) -> jax.Array:
    """`strength · Σ W²` over all kernels in a tree of parameters; biases and scales are not counted."""
    kernels = [
        leaf
        for leaf, is_kernel in zip(jax.tree.leaves(params), jax.tree.leaves(kernels_of(params)), strict=True)
        if is_kernel
    ]
    return strength * sum((jnp.sum(jnp.square(widen(kernel))) for kernel in kernels), start=jnp.float32(0))


def kernels_of(params: Any) -> Any:
    """Says of each leaf of a tree of parameters whether it is a kernel: what L2 and weight decay are taken of."""
    return jax.tree.map_with_path(lambda path, _: getattr(path[-1], "key", None) == "kernel" if path else False, params)


def _targets(logits: jax.Array, labels: Any, loss: str) -> tuple[jax.Array, jax.Array]:
    """Returns labels as rows of probabilities, and whether each example's class exists."""
    if logits.ndim == 0:
        raise ValueError(f"{loss} expects logits of shape (…, classes), got a scalar.")
    if isinstance(labels, np.ndarray) and np.issubdtype(labels.dtype, np.integer):
        # Before JAX holds them as 32 bits, in which 2³² would be class 0.
        exists = (labels >= 0) & (labels < logits.shape[-1])
        labels = np.where(exists, labels.astype(np.int64), -1).astype(np.int32)
    labels = jnp.asarray(labels)
    if jnp.issubdtype(labels.dtype, jnp.integer) and labels.shape == logits.shape[:-1]:
        # A uint8 could not count to 256 classes, and an int64 could wrap into one of them.
        labels = labels if labels.dtype.itemsize == 8 else labels.astype(jnp.int32)
        numbers = jax.lax.broadcasted_iota(labels.dtype, logits.shape, logits.ndim - 1)
        target = (labels[..., None] == numbers).astype(logits.dtype)
        return target, (labels >= 0) & (labels < logits.shape[-1])
    if labels.shape == logits.shape:
        return labels.astype(logits.dtype), jnp.ones(labels.shape[:-1], bool)
    raise ValueError(
        f"{loss} expects integer labels of shape {logits.shape[:-1]} or probabilities of shape {logits.shape} for "
        f"logits of shape {logits.shape}, got {labels.dtype} labels of shape {labels.shape}."
    )


def _weigh(weights: jax.Array, terms: jax.Array) -> jax.Array:
    """Returns `weights · terms`, 0 where the weight is 0, also if the term is infinite there."""
    return weights * jnp.where(weights == 0, 0, terms)


def _same_shape(logits: jax.Array, labels: Any, loss: str) -> jax.Array:
    labels = jnp.asarray(labels)
    if labels.shape != logits.shape or logits.ndim == 0:
        raise ValueError(
            f"{loss} expects both arguments of one shape (…, features), got {logits.shape} and {labels.shape}."
        )
    return labels.astype(logits.dtype)
