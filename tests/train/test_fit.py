"""Training over epochs: what it sees, what it tells, that it repeats itself, and what it refuses."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import fnn
from fnn import data, losses, train


def counting_layer(classes: int, seen: list[np.ndarray]) -> fnn.Layer:
    """A linear classifier that notes each training batch's first pixels, which number the samples."""
    inner = fnn.models.linear_classifier(classes)

    def apply(params, state, x, /, *, train, key=None):
        if train:
            jax.debug.callback(lambda pixels: seen.append(np.asarray(pixels)), x[:, 0, 0, 0])
        return inner.apply(params, state, x, train=train, key=key)

    return inner._replace(apply=apply)


def numbered_split(samples: int = 23) -> data.Split:
    images = np.zeros((samples, 2, 2, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(samples)
    return data.Split(images, np.arange(samples, dtype=np.int32) % 3, ("a", "b", "c"), "made by hand")


@pytest.mark.parametrize("batch_size", [1, 5, 23])
def test_every_sample_is_seen_exactly_once_an_epoch(batch_size: int) -> None:
    split, seen = numbered_split(), []
    train.fit(counting_layer(3, seen), split, optax.sgd(0.1), epochs=2, batch_size=batch_size)
    jax.effects_barrier()
    normalized = np.asarray(data.normalization_of(split)(jnp.asarray(split.images)))[:, 0, 0, 0]
    steps = -(-23 // batch_size)
    assert len(seen) == 2 * steps
    epochs = [np.concatenate(seen[:steps]), np.concatenate(seen[steps:])]
    for epoch in epochs:
        np.testing.assert_allclose(np.sort(epoch), np.sort(normalized), rtol=1e-6)
    assert batch_size == 23 or not np.array_equal(epochs[0], epochs[1])


def test_history_weighs_a_small_last_batch_by_its_samples() -> None:
    split = numbered_split(7)
    layer = fnn.models.linear_classifier(3)
    fitted = train.fit(layer, split, optax.sgd(0.0), epochs=1, batch_size=4, validation=split)
    record = fitted.history[0]
    # At a learning rate of zero every step sees the same network, so training and evaluation must agree.
    assert record.train_loss == pytest.approx(record.validation_loss, rel=1e-6)
    assert record.train_accuracy == pytest.approx(record.validation_accuracy)


def test_evaluation_counts_the_last_smaller_batch() -> None:
    split = numbered_split(11)
    layer = fnn.models.linear_classifier(3)
    params, state = layer.init(jax.random.key(0), jnp.ones((1, 2, 2, 1)))
    prepare = data.normalization_of(split)
    logits, _ = layer.apply(params, state, prepare(jnp.asarray(split.images)), train=False)
    expected_loss = float(losses.softmax_cross_entropy(logits, jnp.asarray(split.labels)).mean())
    expected = np.asarray(logits).argmax(axis=1)
    for batch_size in (1, 4, 10, 11, 50):
        got = train.make_evaluate(layer, losses.softmax_cross_entropy, prepare, batch_size)(params, state, split)
        np.testing.assert_array_equal(got.predictions, expected)
        assert got.loss == pytest.approx(expected_loss, rel=1e-5)
        assert got.accuracy == pytest.approx((expected == split.labels).mean())


def test_evaluation_runs_in_evaluation_mode() -> None:
    split = numbered_split(8)
    layer = fnn.serial(flat=fnn.Flatten, drop=fnn.Dropout(0.5), norm=fnn.BatchNorm(), head=fnn.Dense(3))
    fitted = train.fit(layer, split, optax.sgd(0.1), epochs=1, batch_size=8)
    first, second = fitted.evaluate(split), fitted.evaluate(split)
    assert first.loss == second.loss
    one_by_one = [fitted.evaluate(replace(split, images=split.images[i : i + 1], labels=split.labels[i : i + 1]))
                  for i in range(8)]  # fmt: skip
    assert first.loss == pytest.approx(np.mean([one.loss for one in one_by_one]), rel=1e-5)


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    split = data.load("digits", "validation")
    layer = fnn.models.mlp(widths=(16,), dropout=0.3)

    def bits(seed: int) -> list[bytes]:
        fitted = train.fit(layer, split, optax.sgd(0.1), epochs=2, batch_size=32, seed=seed)
        return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(fitted.train_state.params)]

    assert bits(0) == bits(0)
    assert bits(0) != bits(1)


def test_it_learns_what_can_be_learned() -> None:
    split = data.load("digits", "validation")
    fitted = train.fit(fnn.models.mlp(widths=(32,)), split, optax.sgd(0.1, momentum=0.9), epochs=15, batch_size=32)
    assert fitted.evaluate(split).accuracy == 1.0
    assert [record.epoch for record in fitted.history] == list(range(1, 16))
    assert fitted.history[-1].train_loss < 0.1 * fitted.history[0].train_loss


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "at least 1 epoch"),
        ({"batch_size": 24}, "from 1 to 23"),
        ({"layer": fnn.models.linear_classifier(4)}, r"one output for each of the 3 classes.*\(23, 4\)"),
        (
            {"loss": lambda outputs, labels: losses.softmax_cross_entropy(outputs, labels).mean()},
            "one number an example",
        ),
        ({"layer": fnn.Dense(3)}, r"\(23, 2, 2, 3\)"),
        ({"layer": fnn.parallel(fnn.Relu)}, "parallel expects"),
        ({"layer": fnn.branch(fnn.models.linear_classifier(3), join=tuple)}, "a tuple of 1"),
        ({"validation": replace(numbered_split(), images=np.zeros((23, 4, 4, 1), np.uint8))}, "validation split"),
        ({"validation": numbered_split(0)}, "validation split"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_step(change: dict, message: str) -> None:
    arguments = {
        "layer": fnn.models.linear_classifier(3),
        "train": numbered_split(),
        "optimizer": optax.sgd(0.1),
        "epochs": 1,
        "batch_size": 23,
    }
    with pytest.raises(ValueError, match=message):
        train.fit(**arguments | change)


def test_a_last_batch_that_cannot_be_trained_on_is_refused_before_the_first_step() -> None:
    net = fnn.serial(flat=fnn.Flatten, norm=fnn.BatchNorm(), head=fnn.Dense(3))
    started = []
    with pytest.raises(ValueError, match="more than one value") as caught:
        train.fit(net, numbered_split(21), optax.sgd(0.1), epochs=1, batch_size=4, on_epoch=started.append)
    assert any("a batch of 1;" in note for note in caught.value.__notes__)
    assert started == []


def test_parameters_that_are_not_finite_after_the_last_step_stop_the_run() -> None:
    with pytest.raises(FloatingPointError, match="last steps"):
        train.fit(fnn.models.linear_classifier(3), numbered_split(), optax.sgd(float("inf")), epochs=1, batch_size=23)


@pytest.mark.usefixtures("optax_promotes")
@pytest.mark.parametrize("optimizer", [optax.contrib.prodigy(), optax.polyak_sgd(), optax.lbfgs()])
def test_optimizers_that_keep_parameters_or_want_values_are_trained_with(optimizer: Any) -> None:
    fitted = train.fit(fnn.models.linear_classifier(3), numbered_split(), optimizer, epochs=4, batch_size=23)
    assert fitted.evaluate(numbered_split()).loss < fitted.history[0].train_loss


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    with pytest.raises(FloatingPointError, match=r"step 1 \(epoch 1\)"):
        train.fit(fnn.models.linear_classifier(3), numbered_split(), optax.sgd(float("nan")), epochs=3, batch_size=5)


def test_confusion_counts_truth_in_rows() -> None:
    matrix = train.confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])
