"""What is kept beside the parameters of the last step: their moving average, and what the best epoch left."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnn
from fnn import data, losses, train


def digest(tree: Any) -> str:
    return train.checkpoint.digest_of_tree(tree)


@pytest.fixture(scope="module")
def split() -> data.Split:
    return data.load("digits", "train[:64]")


def test_the_average_is_the_formula_and_what_is_judged(split: data.Split) -> None:
    layer, optimizer = fnn.models.linear_classifier(10), optax.sgd(0.1)
    x = jnp.asarray(split.images[:8], jnp.float32) / 16
    batch = train.Batch(x, jnp.asarray(split.labels[:8]))
    state = train.init_train_state(layer, optimizer, 0, x, average=True)
    step = jax.jit(train.make_step(layer, optimizer, losses.softmax_cross_entropy, average=0.3))
    kernel = lambda tree: np.asarray(jax.tree.leaves(tree)[-1], np.float64)  # noqa: E731
    wanted = kernel(state.params)
    for n in range(6):
        state, _ = step(state, batch)
        kept = min(0.3, (1 + n) / (10 + n))
        wanted = kept * wanted + (1 - kept) * kernel(state.params)
        np.testing.assert_allclose(kernel(state.average), wanted, rtol=1e-5, atol=1e-6)
    assert state.learned is state.average
    plain = train.init_train_state(layer, optimizer, 0, x)
    assert plain.learned is plain.params
    with pytest.raises(ValueError, match="up to, not including, 1"):
        train.make_step(layer, optimizer, losses.softmax_cross_entropy, average=1.0)
    fitted = train.fit(layer, split, optimizer, epochs=3, batch_size=16, average=0.9, validation=split)
    assert digest(fitted.train_state.average) != digest(fitted.train_state.params)
    by_hand = train.make_evaluate(layer, losses.softmax_cross_entropy, fitted.normalization)
    judged = by_hand(fitted.train_state.learned, fitted.train_state.state, split)
    assert fitted.history[-1].validation_loss == pytest.approx(judged.loss, rel=1e-6)
    assert fitted.evaluate(split).loss == pytest.approx(judged.loss, rel=1e-6)


def rising_then_falling(epochs: int, **options: Any) -> train.Fit:
    """A run that learns for three epochs and then forgets: its rate is suddenly negative."""
    split = data.load("digits", "train[:64]")
    optimizer = optax.sgd(lambda count: jnp.where(jnp.asarray(count) < 12, 0.05, -8.0))
    layer = fnn.models.linear_classifier(10)
    return train.fit(layer, split, optimizer, epochs=epochs, batch_size=16, validation=split, **options)


@pytest.mark.parametrize("on_nonfinite", ["halt", "skip"])
def test_a_run_that_gets_worse_ends_and_gives_what_the_best_epoch_left(on_nonfinite: Any) -> None:
    stopped = rising_then_falling(12, patience=2, on_nonfinite=on_nonfinite)
    accuracies = [epoch.validation_accuracy or 0.0 for epoch in stopped.history]
    best = int(np.argmax(accuracies)) + 1
    assert best == 3
    assert len(stopped.history) == best + 2
    assert stopped.evaluate(data.load("digits", "train[:64]")).accuracy == accuracies[best - 1]
    short = rising_then_falling(best, on_nonfinite=on_nonfinite)
    assert digest(stopped.train_state.params) == digest(short.train_state.params)


def test_a_run_that_goes_on_stops_where_an_uncut_one_does(tmp_path: Path) -> None:
    whole = rising_then_falling(12, patience=3)
    for epochs in (2, 4, 12):
        cut = rising_then_falling(epochs, patience=3, checkpoints=train.Checkpoints(tmp_path))
    assert len(cut.history) == len(whole.history) == 6
    assert digest(cut.train_state) == digest(whole.train_state)
    with pytest.raises(ValueError, match="patience of at least 1"):
        rising_then_falling(2, patience=0)
    with pytest.raises(ValueError, match="a validation split"):
        train.fit(
            fnn.models.mlp(), data.load("digits", "train[:64]"), optax.sgd(0.1), epochs=1, batch_size=8, patience=1
        )


@pytest.mark.usefixtures("optax_promotes")
def test_accumulated_gradients_are_those_of_a_larger_batch() -> None:
    params: Any = {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2)}
    random = np.random.default_rng(0)
    gradients: list[Any] = [jax.tree.map(lambda p: jnp.asarray(random.normal(size=p.shape), p.dtype), params)]
    gradients += [jax.tree.map(lambda g: 2 * g - 1, gradients[0]), jax.tree.map(lambda g: g * g, gradients[0])]
    apart = train.make_optimizer("sgd", 0.1, 30, momentum=0.9, weight_decay=0.01, schedule="linear", accumulate=3)
    once = train.make_optimizer("sgd", 0.1, 10, momentum=0.9, weight_decay=0.01, schedule="linear")
    states, ends = [apart.init(params), once.init(params)], [params, params]
    for _ in range(2):  # the second update has a momentum and a lower rate
        for gradient in gradients:
            updates, states[0] = apart.update(gradient, states[0], ends[0])
            ends[0] = optax.apply_updates(ends[0], updates)
        mean = jax.tree.map(lambda *leaves: sum(leaves) / 3, *gradients)
        updates, states[1] = once.update(mean, states[1], ends[1])
        ends[1] = optax.apply_updates(ends[1], updates)
    for a, b in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    with pytest.raises(ValueError, match="at least 1 step"):
        train.make_optimizer("sgd", 0.1, 30, accumulate=0)
