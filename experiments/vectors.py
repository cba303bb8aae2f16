"""Training on vectors instead of images, such as features that were computed once: a step for each batch."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from fnn import data, losses, train
from fnn.layer import Layer


def fit_vectors(
    layer: Layer,
    vectors: np.ndarray,
    labels: np.ndarray,
    optimizer: optax.GradientTransformation,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
) -> Callable[[np.ndarray], np.ndarray]:
    """Trains a classifier of vectors on the softmax cross-entropy.

    Args:
      layer: maps `(batch, features)`, each feature brought to mean 0 and variance 1, to one output a class.
      vectors: `(samples, features)`.
      labels: `(samples,)`, class numbers.
      optimizer: any optax optimizer.
      epochs: how often each sample is seen, less what does not fill a batch.
      batch_size: how many samples a step sees; all of them if there are fewer.
      seed: of the initial parameters and the order.

    Returns:
      The trained classifier: `(samples, features)` to the scores `(samples, classes)`.
    """
    mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1)  # a feature that never changes tells nothing

    def standardize(vectors: jax.Array) -> jax.Array:
        return (vectors - mean) / scale

    batches = data.make_batches(len(vectors), min(batch_size, len(vectors)), seed, drop_last=True)
    step = train.make_step(layer, optimizer, losses.softmax_cross_entropy, standardize)

    @jax.jit
    def run_epoch(train_state: train.TrainState, x: jax.Array, y: jax.Array, order: jax.Array) -> train.TrainState:
        def one(train_state: train.TrainState, chosen: jax.Array) -> tuple[train.TrainState, Any]:
            return step(train_state, train.Batch(x[chosen], y[chosen]))

        return lax.scan(one, train_state, order)[0]

    x, y = jnp.asarray(vectors), jnp.asarray(labels)
    train_state = train.init_train_state(layer, optimizer, seed, standardize(x[:1]))
    for epoch in range(epochs):
        train_state = run_epoch(train_state, x, y, batches.order(epoch).reshape(-1, batches.size))

    @jax.jit
    def scores(vectors: jax.Array) -> jax.Array:
        return layer.apply(train_state.params, train_state.state, standardize(vectors), train=False)[0]

    return lambda vectors: np.asarray(scores(jnp.asarray(vectors)))
