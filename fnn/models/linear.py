"""The smallest classifiers: one matrix, and the perceptron with its own learning rule."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from fnn import expect
from fnn.combinators import serial
from fnn.layer import Layer, Params, stateless
from fnn.layers import Dense, Flatten, arguments


def linear_classifier(classes: int = 10) -> Layer:
    """`s = W x + b` on the flattened image: one score a class, one row of `W` a template of its class."""
    return serial(flatten=Flatten, head=Dense(classes))


def perceptron(classes: int = 1) -> Layer:
    """Rosenblatt's perceptron: `y = step(w · [1, x])` in {0, 1}, one unit a class.

    Maps `(batch, …)` to `(batch, classes)`. The bias is the weight of a 1 put before the input, so the parameter
    `weights` is `(1 + inputs, classes)`; it starts at zero. The step has no useful gradient: train with
    `fit_perceptron`, not by gradient descent.

    Reference: Rosenblatt 1958, "The perceptron: a probabilistic model for information storage".
    """
    classes = arguments.positive(classes, "perceptron", "classes")

    def inputs(x: jax.Array) -> int:
        return math.prod(expect.array(x, "perceptron", "(batch, …)", range(1, 9)).shape[1:])

    def init(key: jax.Array, x: jax.Array) -> Params:
        del key
        return {"weights": jnp.zeros((1 + inputs(x), classes), jnp.float32)}

    def apply(params: Params, x: jax.Array) -> jax.Array:
        (weights,) = expect.entries(params, "perceptron", weights=(1 + inputs(x), classes))
        x = jnp.asarray(x)
        return step(prepend_one(x) @ weights.astype(x.dtype))

    return stateless(init, apply, name="perceptron")


def step(x: jax.Array) -> jax.Array:
    """1 where `x` is positive, else 0, in the dtype of `x`."""
    return (x > 0).astype(x.dtype)


def prepend_one(x: jax.Array) -> jax.Array:
    """Flattens each example of `(batch, …)` and puts a 1 before it, the input of the bias."""
    flat = x.reshape(x.shape[0], math.prod(x.shape[1:]))
    return jnp.concatenate([jnp.ones((x.shape[0], 1), x.dtype), flat], axis=1)


class PerceptronFit(NamedTuple):
    """What the learning rule came to."""

    params: Params
    errors: jax.Array
    """`(epochs,)`: how many outputs of each epoch were wrong when their sample was shown."""


def fit_perceptron(
    params: Params, x: jax.Array, targets: jax.Array, *, epochs: int, learning_rate: float = 1.0
) -> PerceptronFit:
    """Trains a perceptron by its own rule: after each sample, `w ← w + η (d − y) [1, x]`.

    If some weights separate the samples, the rule finds such weights after finitely many mistakes; if none do, as for
    XOR, it errs in every epoch for ever (Novikoff 1962; Minsky & Papert 1969).

    Args:
      params: a perceptron's.
      x: `(samples, …)`, shown in this order in every epoch.
      targets: `(samples,)` or `(samples, classes)`, each 0 or 1.
      epochs: how often all samples are shown.
      learning_rate: η.

    Raises:
      ValueError: if `x` and `targets` differ in number, or a target is neither 0 nor 1.
    """
    with_bias = prepend_one(jnp.asarray(x, jnp.float32))
    wanted = jnp.asarray(targets, jnp.float32).reshape(len(targets), -1)
    (weights,) = expect.entries(params, "fit_perceptron", weights=(with_bias.shape[1], wanted.shape[1]))
    if len(x) != len(wanted) or not bool(jnp.all((wanted == 0) | (wanted == 1))):
        raise ValueError(f"fit_perceptron expects one target in {{0, 1}} for each of {len(x)} samples, got {targets}.")

    def show(weights: jax.Array, sample: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        features, target = sample
        mistake = target - step(features @ weights)  # (classes,), each in {−1, 0, 1}
        return weights + learning_rate * jnp.outer(features, mistake), jnp.sum(jnp.abs(mistake))

    def epoch(weights: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        weights, mistakes = lax.scan(show, weights, (with_bias, wanted))
        return weights, jnp.sum(mistakes).astype(jnp.int32)

    weights, errors = lax.scan(epoch, weights, length=epochs)
    return PerceptronFit({"weights": weights}, errors)
