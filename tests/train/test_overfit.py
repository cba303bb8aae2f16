"""One small batch learnt by heart, or a report that names what was planted."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnn
from fnn import losses, train

KEY = jax.random.key(0)


def batch_of(samples: int = 8, classes: int = 4) -> train.Batch:
    images = np.random.default_rng(0).standard_normal((samples, 2, 2, 1), np.float32)
    return train.Batch(jnp.asarray(images), jnp.arange(samples) % classes)


def network(*hidden: fnn.Layer) -> fnn.Layer:
    return fnn.serial(fnn.Flatten, *hidden, head=fnn.Dense(4))


def test_a_batch_has_the_same_share_of_every_class() -> None:
    labels = np.array([2, 2, 2, 0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(train.choose_samples(labels, 3), [0, 3, 4])
    np.testing.assert_array_equal(train.choose_samples(labels, 6), [0, 1, 3, 4, 6, 7])
    np.testing.assert_array_equal(train.choose_samples(labels, 8), [0, 1, 2, 3, 4, 5, 6, 7])
    for count in (1, 10):
        with pytest.raises(ValueError, match=f"from 2 to 9 samples.*got {count}"):
            train.choose_samples(labels, count)


def test_it_stops_where_every_sample_is_right_in_evaluation_mode() -> None:
    batch, optimizer = batch_of(), optax.sgd(0.3)
    net = network(fnn.Dense(16), fnn.BatchNorm(momentum=0.5), fnn.Relu, fnn.Dropout(0.2))
    done = train.overfit_batch(net, batch, optimizer, steps=200, seed=5)
    assert done.reached
    assert done.findings == []
    assert done.steps == len(done.losses) == int(done.train_state.step) < 200

    # The same by the parts of the library, step by step.
    step = jax.jit(train.make_step(net, optimizer, losses.softmax_cross_entropy))
    evaluate = jax.jit(lambda state: net.apply(state.params, state.state, batch.images, train=False)[0])
    state = train.init_train_state(net, optimizer, 5, batch.images)
    labels, logits = np.asarray(batch.labels), np.zeros((8, 4))
    metrics: Any = None
    for number in range(done.steps):
        assert not np.array_equal(logits.argmax(axis=1), labels)
        state, metrics = step(state, batch)
        logits = np.asarray(evaluate(state), np.float64)
        np.testing.assert_allclose(done.losses[number], metrics.loss, rtol=1e-4)
    np.testing.assert_array_equal(logits.argmax(axis=1), labels)
    assert done.accuracy == 1
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(8), labels])
    assert done.loss == pytest.approx(expected, rel=1e-3)
    assert done.train_accuracy == float(metrics.accuracy)
    assert done.first_loss == done.losses[0]
    assert done.chance_loss == pytest.approx(np.log(4))
    paths = ["flatten1", "dense1", "batch_norm1", "relu1", "dropout1", "head"]
    assert [layer.path for layer in done.at_first] == [layer.path for layer in done.at_last] == paths
    first, last = ({layer.path: layer.parameter_norm for layer in health} for health in (done.at_first, done.at_last))
    head = np.concatenate([np.ravel(state.params["head"][name]) for name in ("kernel", "bias")])
    assert last["head"] == pytest.approx(float(np.linalg.norm(head)), rel=1e-4)
    assert first["head"] != last["head"]


def test_steps_that_are_too_large_are_said_to_be_so() -> None:
    optimizer = optax.sgd(30.0, momentum=0.9)
    done = train.overfit_batch(
        network(fnn.Dense(16), fnn.Relu), batch_of(), optimizer, steps=12, loss=losses.multiclass_hinge
    )
    assert done.chance_loss == 3  # a margin of 1 for each of the 3 wrong classes
    assert not done.reached
    assert done.findings[0].startswith(f"the loss rose from {done.first_loss:.4g} to {done.losses.max():.4g}")
    assert "lower learning rate" in done.findings[0]


def test_a_step_that_is_not_finite_ends_it_with_the_blame() -> None:
    net = network(fnn.Dense(4), fnn.elementwise(jnp.exp, "exp"))
    done = train.overfit_batch(net, batch_of(), optax.sgd(1e6), steps=50)
    assert not done.reached
    assert done.steps < 50
    assert done.steps == int(done.train_state.step) + 1  # the last changed nothing
    assert done.findings[0].startswith(f"step {done.steps} is not finite: ")
    assert "is the first to make" in done.findings[0]
    assert not any("rose" in line or line.startswith("after") for line in done.findings)


@pytest.mark.thorough
def test_a_deep_net_of_sigmoids_is_said_to_vanish() -> None:
    net = network(*[fnn.Dense(6), fnn.Sigmoid] * 8)
    done = train.overfit_batch(net, batch_of(), optax.sgd(0.01), steps=3)
    assert not done.reached
    for when in ("before the first step", "after 3 steps"):
        assert [line for line in done.findings if line.startswith(f"{when}, the gradient vanishes on its way back")]


def test_dead_units_a_far_first_loss_and_contradictions_are_all_said() -> None:
    batch = batch_of()
    batch = batch._replace(images=batch.images.at[5].set(batch.images[2]).at[6].set(batch.images[2]))
    loud = fnn.Dense(4, bias_init=lambda key, shape, dtype: jnp.asarray([100.0, 0, 0, 0]))
    dead = fnn.Dense(3, bias_init=lambda key, shape, dtype: jnp.full(shape, -50.0))
    net = fnn.serial(fnn.Flatten, hidden=dead, relu=fnn.Relu, head=loud)
    done = train.overfit_batch(net, batch, optax.sgd(0.0), steps=2)
    said = "\n".join(done.findings)
    assert "before the first step, relu: 100 % of 3 units are dead" in said
    assert "after 2 steps, relu: 100 % of 3 units are dead" in said
    assert "the loss begins at 75, that of equal outputs is 1.386" in said
    assert "samples 2 and 5 are the same image, labelled 2 and 1" in said
    assert "samples 2 and 6" not in said  # of one label


@pytest.mark.thorough
def test_running_moments_that_stay_behind_are_said_to_do_so() -> None:
    net = network(fnn.BatchNorm(momentum=0.9999))
    batch = batch_of(4)
    done = train.overfit_batch(net, batch._replace(images=1e3 + batch.images), optax.sgd(0.5), steps=40)
    assert not done.reached
    assert done.train_accuracy == 1
    assert [line for line in done.findings if "in training mode every sample was right" in line]


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (1e-9, "does not fall on: try other learning"),
        pytest.param(0.05, "was still falling: take more steps", marks=pytest.mark.thorough),
    ],
)
def test_without_a_fault_in_sight_the_course_is_told(rate: float, words: str) -> None:
    done = train.overfit_batch(network(), batch_of(), optax.sgd(rate), steps=10)
    assert not done.reached
    (line,) = done.findings
    assert words in line
    assert f"went from {done.first_loss:.4g} to {done.losses[-1]:.4g}" in line


def test_what_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two classes, got 8 samples of class 0"):
        train.overfit_batch(network(), batch_of(classes=1), optax.sgd(0.1))
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        train.overfit_batch(network(), batch_of(), optax.sgd(0.1), steps=0)
