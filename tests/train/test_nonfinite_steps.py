"""A step that is not finite: the run stops before it and names it, or goes on without it; and the loss's scale."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnn
from fnn import data, losses, train
from tests.faults import nonfinite


@pytest.mark.parametrize("plant", list(nonfinite.PLANTS))
def test_a_run_stops_before_the_step_and_names_it(tmp_path: Path, plant: str) -> None:
    assert nonfinite.stops_before_the_step(nonfinite.PLANTS[plant], tmp_path) is None


def test_the_run_that_stopped_stops_again_at_once_and_goes_on_when_told_to_skip(tmp_path: Path) -> None:
    plant = nonfinite.PLANTS["loss"]
    for _ in range(2):
        with pytest.raises(FloatingPointError, match=f"step {nonfinite.bad_step()} "):
            nonfinite.fit(plant, tmp_path)
    fitted = nonfinite.fit(plant, tmp_path, on_nonfinite="skip")
    assert [epoch.skipped for epoch in fitted.history] == [1, 1]


@pytest.mark.parametrize(
    ("plant", "where"),
    [("data", "the batch holds NaN: 1 of 128"), ("loss", "the loss makes NaN"), ("gradient", "with infinity is that")],
)
def test_the_error_says_where_it_came_from_and_keeps_the_batch(tmp_path: Path, plant: str, where: str) -> None:
    with pytest.raises(FloatingPointError, match=where) as caught:
        nonfinite.fit(nonfinite.PLANTS[plant], tmp_path)
    step = nonfinite.bad_step()
    with np.load(tmp_path / f"nonfinite-step-{step}.npz") as kept:
        np.testing.assert_array_equal(kept["images"], nonfinite.split().images[kept["samples"]])
        assert nonfinite.MARKED in kept["samples"]
    assert f"the training samples {', '.join(map(str, kept_samples(step)))}\n" in str(caught.value)


def kept_samples(step: int) -> list[int]:
    return data.make_batches(64, nonfinite.BATCH_SIZE, nonfinite.SEED).indices(step).tolist()


@pytest.mark.parametrize("plant", list(nonfinite.PLANTS))
def test_skipping_goes_on_with_finite_numbers(plant: str) -> None:
    skipping = nonfinite.fit(nonfinite.PLANTS[plant], on_nonfinite="skip")
    assert [epoch.skipped for epoch in skipping.history] == [1, 1]
    assert np.isfinite([epoch.train_loss for epoch in skipping.history]).all()
    assert int(skipping.train_state.step) == 16
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(skipping.train_state.params))


def test_epochs_of_nothing_but_skipped_steps_are_an_error() -> None:
    def always(outputs: Any, labels: jax.Array) -> jax.Array:
        return losses.softmax_cross_entropy(outputs, labels) * jnp.nan

    with pytest.raises(FloatingPointError, match="no step of epoch 1"):
        nonfinite.fit({"loss": always}, on_nonfinite="skip")


def one_layer() -> tuple[fnn.Layer, train.Batch]:
    random = np.random.default_rng(0)
    x = jnp.asarray(random.standard_normal((8, 5)), jnp.float32)
    return fnn.serial(norm=fnn.BatchNorm(), head=fnn.Dense(3)), train.Batch(x, jnp.arange(8) % 3)


def equal(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def without_key(state: train.TrainState) -> train.TrainState:
    return state._replace(key=jax.random.key_data(state.key))


@pytest.mark.parametrize("on_nonfinite", ["skip", "tell"])
def test_a_good_step_is_what_it_is_without_a_look(on_nonfinite: Any) -> None:
    layer, batch = one_layer()
    optimizer = optax.sgd(0.1, momentum=0.9)
    state = train.init_train_state(layer, optimizer, 0, batch.images)
    plain, _ = jax.jit(train.make_step(layer, optimizer, losses.softmax_cross_entropy))(state, batch)
    looking = jax.jit(train.make_step(layer, optimizer, losses.softmax_cross_entropy, on_nonfinite=on_nonfinite))
    after, metrics = looking(state, batch)
    assert bool(metrics.finite)
    assert equal(without_key(after), without_key(plain))


def test_what_a_bad_step_changes() -> None:
    layer, batch = one_layer()
    optimizer = optax.sgd(0.1, momentum=0.9)
    state = train.init_train_state(layer, optimizer, 0, batch.images)
    bad = batch._replace(images=batch.images.at[3, 2].set(jnp.inf))

    def take(on_nonfinite: Any) -> tuple[train.TrainState, bool]:
        step = train.make_step(layer, optimizer, losses.softmax_cross_entropy, on_nonfinite=on_nonfinite)
        after, metrics = jax.jit(step)(state, bad)
        return without_key(after), bool(metrics.finite)

    before = without_key(state)
    skipped, finite = take("skip")
    assert not finite
    assert equal(skipped, before._replace(step=before.step + 1))
    for on_nonfinite in ("tell", "ignore"):
        changed, finite = take(on_nonfinite)
        assert not finite
        assert not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(changed.params))


def test_a_gradient_that_is_not_finite_is_told_of() -> None:
    layer, batch = one_layer()
    state = train.init_train_state(layer, optax.sgd(0.1), 0, batch.images)

    def steep(outputs: Any, labels: jax.Array) -> jax.Array:
        still = jnp.abs(outputs - jax.lax.stop_gradient(outputs)).sum(axis=-1)
        return jnp.sqrt(still) + 0.0 * labels.astype(jnp.float32)  # 0, and its slope is not finite

    for told, step in (
        (True, train.make_step(layer, optax.sgd(0.1), steep)),
        (False, train.make_step(layer, optax.sgd(0.1), steep, on_nonfinite="tell")),
    ):
        assert bool(jax.jit(step)(state, batch)[1].finite) is told


def test_a_scaled_loss_gives_the_same_step_and_the_scale_moves() -> None:
    layer, batch = one_layer()
    optimizer = optax.sgd(0.1)
    plain = train.init_train_state(layer, optimizer, 0, batch.images)
    scaled = train.init_train_state(layer, optimizer, 0, batch.images, scale_loss=True)
    step = jax.jit(train.make_step(layer, optimizer, losses.softmax_cross_entropy))
    after, metrics = step(plain, batch)
    after_scaled, metrics_scaled = step(scaled, batch)
    # Scaling by a power of two and back is exact; what differs is how the compiler orders two other programs.
    for one, other in zip(jax.tree.leaves(after.params), jax.tree.leaves(after_scaled.params), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert float(metrics.loss) == pytest.approx(float(metrics_scaled.loss), rel=1e-6)
    assert after_scaled.loss_scale is not None
    assert (float(after_scaled.loss_scale.value), int(after_scaled.loss_scale.good_steps)) == (2.0**15, 1)
    almost = scaled._replace(loss_scale=train.LossScale(jnp.float32(8), jnp.int32(1999)))
    grown, _ = step(almost, batch)
    assert grown.loss_scale is not None
    assert (float(grown.loss_scale.value), int(grown.loss_scale.good_steps)) == (16.0, 0)


def test_an_overflow_halves_the_scale_and_is_no_fault_until_the_scale_is_one() -> None:
    layer, batch = one_layer()
    optimizer = optax.sgd(0.1)

    def steep(outputs: Any, labels: jax.Array) -> jax.Array:
        return losses.softmax_cross_entropy(outputs, labels) * 1e30  # finite; its gradient times 2^40 is not

    step = jax.jit(train.make_step(layer, optimizer, steep, on_nonfinite="tell"))
    state = train.init_train_state(layer, optimizer, 0, batch.images, scale_loss=True)
    high = state._replace(loss_scale=train.LossScale(jnp.float32(2.0**40), jnp.int32(5)))
    after, metrics = step(high, batch)
    assert bool(metrics.finite)
    assert after.loss_scale is not None
    assert (float(after.loss_scale.value), int(after.loss_scale.good_steps)) == (2.0**39, 0)
    assert int(after.step) == 1
    assert equal(after.params, state.params)
    bad = batch._replace(images=batch.images.at[0, 0].set(jnp.nan))
    lowest = state._replace(loss_scale=train.LossScale(jnp.float32(1), jnp.int32(0)))
    after, metrics = step(lowest, bad)
    assert not bool(metrics.finite)
    assert after.loss_scale is not None
    assert float(after.loss_scale.value) == 1


def test_float16_learns_with_a_scaled_loss_what_it_cannot_without() -> None:
    """Gradients below 6e-8 are zero in float16: a loss made small by a factor stops learning unless it is scaled."""
    layer, batch = one_layer()
    half = fnn.mixed_precision(layer, jnp.float16)
    optimizer = optax.sgd(1e7)

    def small(outputs: Any, labels: jax.Array) -> jax.Array:
        return losses.softmax_cross_entropy(outputs, labels) * 1e-8

    step = jax.jit(train.make_step(half, optimizer, small))
    changes = []
    for scale_loss in (False, True):
        state = train.init_train_state(half, optimizer, 0, batch.images, scale_loss=scale_loss)
        after, _ = step(state, batch)
        changes.append(float(jnp.abs(after.params["head"]["kernel"] - state.params["head"]["kernel"]).max()))
    assert changes[0] == 0
    assert changes[1] > 1e-4


def test_a_clipped_gradient_is_no_longer_than_the_norm() -> None:
    optimizer = train.make_optimizer("sgd", 1.0, 10, clip_norm=0.5)
    params: Any = {"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)}
    gradient = {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.full(2, 4.0)}
    updates: Any
    updates, _ = optimizer.update(gradient, optimizer.init(params), params)
    assert float(optax.tree.norm(updates)) == pytest.approx(0.5)
    np.testing.assert_allclose(updates["kernel"] / updates["bias"][0], 3 / 4, rtol=1e-6)
    with pytest.raises(ValueError, match="positive and finite"):
        train.make_optimizer("sgd", 1.0, 10, clip_norm=0.0)
