"""A step is one step of gradient descent, checked against the formula."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnn
from fnn import losses, train


def quadratic_batch() -> train.Batch:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)
    return train.Batch(x, jnp.asarray([0, 1, 0, 1, 1, 0]))


def test_sgd_step_is_the_formula() -> None:
    layer, batch = fnn.Dense(2), quadratic_batch()
    optimizer = optax.sgd(0.3)
    before = train.init_train_state(layer, optimizer, 0, batch.images)
    after, metrics = train.make_step(layer, optimizer, losses.softmax_cross_entropy)(before, batch)

    x, labels = np.asarray(batch.images, np.float64), np.asarray(batch.labels)
    kernel, bias = (np.asarray(before.params[name], np.float64) for name in ("kernel", "bias"))
    logits = x @ kernel + bias
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    delta = (p - np.eye(2)[labels]) / len(x)  # the gradient of the mean loss with respect to the logits
    np.testing.assert_allclose(after.params["kernel"], kernel - 0.3 * x.T @ delta, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after.params["bias"], bias - 0.3 * delta.sum(axis=0), rtol=1e-5, atol=1e-6)
    assert float(metrics.loss) == pytest.approx(-np.log(p[np.arange(6), labels]).mean(), rel=1e-5)
    assert float(metrics.accuracy) == pytest.approx((logits.argmax(axis=1) == labels).mean())
    assert int(after.step) == 1


def test_an_example_of_several_classes_is_right_in_the_one_of_the_largest_share() -> None:
    layer, batch = fnn.Dense(2), quadratic_batch()
    shares = jnp.asarray([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7], [0.0, 1.0], [0.51, 0.49]], jnp.float32)
    before = train.init_train_state(layer, optax.sgd(0.3), 0, batch.images)
    step = train.make_step(layer, optax.sgd(0.3), losses.softmax_cross_entropy)
    accuracies = [float(step(before, batch._replace(labels=labels))[1].accuracy) for labels in (batch.labels, shares)]
    assert accuracies[0] == accuracies[1]
    assert 0 < accuracies[0] < 1


def test_the_key_stays_and_each_step_draws_its_own_mask() -> None:
    layer, batch = fnn.serial(drop=fnn.Dropout(0.5), head=fnn.Dense(2)), quadratic_batch()
    still = optax.sgd(0.0)  # parameters do not move, so only the masks can change the loss
    state = train.init_train_state(layer, still, 0, batch.images)
    step = jax.jit(train.make_step(layer, still, losses.softmax_cross_entropy))
    seen = []
    for _ in range(4):
        key = jax.random.key_data(state.key)
        state, metrics = step(state, batch)
        seen.append(float(metrics.loss))
        np.testing.assert_array_equal(jax.random.key_data(state.key), key)
    assert len(set(seen)) == 4


def test_state_is_carried_from_step_to_step() -> None:
    layer, batch = fnn.serial(norm=fnn.BatchNorm(momentum=0.5), head=fnn.Dense(2)), quadratic_batch()
    optimizer = optax.sgd(0.1)
    state = train.init_train_state(layer, optimizer, 0, batch.images)
    step = train.make_step(layer, optimizer, losses.softmax_cross_entropy)
    for _ in range(2):
        state, _ = step(state, batch)
    mean = np.asarray(batch.images).mean(axis=0)
    np.testing.assert_allclose(state.state["norm"]["mean"], 0.75 * mean, rtol=1e-5, atol=1e-7)


def test_prepare_is_applied_before_the_layer() -> None:
    layer, batch = fnn.Dense(2), quadratic_batch()
    optimizer = optax.sgd(0.1)
    state = train.init_train_state(layer, optimizer, 0, batch.images)
    halved, _ = train.make_step(layer, optimizer, losses.softmax_cross_entropy, lambda x: x / 2)(state, batch)
    plain, _ = train.make_step(layer, optimizer, losses.softmax_cross_entropy)(
        state, batch._replace(images=batch.images / 2)
    )
    np.testing.assert_array_equal(halved.params["kernel"], plain.params["kernel"])


def test_initial_values_and_step_keys_come_from_different_keys() -> None:
    state = train.init_train_state(fnn.Dense(2), optax.sgd(0.1), 3, jnp.ones((1, 3)))
    again = train.init_train_state(fnn.Dense(2), optax.sgd(0.1), 3, jax.ShapeDtypeStruct((1, 3), jnp.float32))
    other = train.init_train_state(fnn.Dense(2), optax.sgd(0.1), 4, jnp.ones((1, 3)))
    np.testing.assert_array_equal(state.params["kernel"], again.params["kernel"])
    assert not np.array_equal(state.params["kernel"], other.params["kernel"])
    assert not np.array_equal(jax.random.key_data(state.key), jax.random.key_data(jax.random.key(3)))
