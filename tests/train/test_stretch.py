"""Several steps as one program: the same steps, however they are cut, and however their samples are brought."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnn
from fnn import data, losses, train
from fnn.data import READING, make_batches
from fnn.train import supplies as room
from fnn.train.placement import Placement
from fnn.train.stretch import Pace, Supply, make_stretch

OPTIMIZER = optax.sgd(0.1, momentum=0.9)


def pieces() -> tuple[train.TrainState, Any, Supply, data.Split]:
    split = data.load("digits", "train[:50]")
    hidden = fnn.serial(fnn.Dense(8), fnn.BatchNorm(), fnn.Relu, fnn.Dropout(0.2))
    layer = fnn.serial(flat=fnn.Flatten, hidden=hidden, head=fnn.Dense(10))
    normalization = data.normalization_of(split)
    shape = jax.ShapeDtypeStruct((8, *split.image_shape), jnp.float32)
    state = train.init_train_state(layer, OPTIMIZER, 0, shape)
    step = train.make_step(layer, OPTIMIZER, losses.softmax_cross_entropy, normalization, on_nonfinite="tell")
    order = np.random.default_rng(0).permutation(50)[:48].reshape(6, 8).astype(np.int32)
    return state, step, Supply(*map(jnp.asarray, (split.images, split.labels, order))), split


def equal(a: Any, b: Any) -> bool:
    return train.checkpoint.digest_of_tree(a) == train.checkpoint.digest_of_tree(b)


def test_how_a_run_is_cut_changes_no_bit_and_equals_single_steps_up_to_rounding() -> None:
    state, step, supply, split = pieces()
    stretch = jax.jit(make_stretch(step, stops=True))
    whole, measured = stretch(state, supply, 0, 6)
    for cuts in ([0, 1, 6], [0, 2, 3, 5, 6], range(7)):
        cut, parts = state, np.zeros((6, 3), np.float32)
        for start, stop in zip(cuts, list(cuts)[1:], strict=False):
            cut, rows = stretch(cut, supply, start, stop)
            assert not np.asarray(rows)[stop:].any()
            parts += np.asarray(rows)
        assert equal(cut, whole)
        np.testing.assert_array_equal(parts, measured)
    single, alone = state, jax.jit(step)
    for row, chosen in zip(np.asarray(measured), np.asarray(supply.order), strict=True):
        single, metrics = alone(single, train.Batch(jnp.asarray(split.images[chosen]), supply.labels[chosen]))
        np.testing.assert_allclose(row, [metrics.loss, metrics.accuracy, 1], rtol=1e-4)
    for a, b in zip(jax.tree.leaves(single.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_nothing_is_done_after_the_first_step_that_is_not_finite() -> None:
    state, step, supply, _ = pieces()

    def spoilt(before: train.TrainState, batch: train.Batch) -> tuple[train.TrainState, train.Metrics]:
        after, metrics = step(before, batch)
        return after, metrics._replace(finite=before.step != 3)

    stopped, rows = jax.jit(make_stretch(spoilt, stops=True))(state, supply, 0, 6)
    assert int(stopped.step) == 4
    assert np.asarray(rows)[:, 2].tolist() == [1, 1, 1, 0, 0, 0]
    through, rows = jax.jit(make_stretch(spoilt, stops=False))(state, supply, 0, 6)
    assert int(through.step) == 6
    assert np.asarray(rows)[:, 2].tolist() == [1, 1, 1, 0, 1, 1]


@pytest.mark.parametrize("resident_bytes", [0, 2**30])
def test_each_step_sees_its_batch_from_wherever_the_run_goes_on(
    resident_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "RESIDENT_BYTES", resident_bytes)
    split = data.load("digits", "train[:50]")
    batches = make_batches(50, 8, seed=1)  # 7 steps an epoch, the last of 2 samples
    supplies = room.make_supplies(split, batches, READING, Placement(None, 8))
    for first in (7, 10, 13):
        seen = [
            np.asarray(supply.batch(step).images)
            for supply, start in supplies(range(first, 14))
            for step in range(start, supply.steps)
        ]
        assert len(seen) == 14 - first
        for step, images in zip(range(first, 14), seen, strict=True):
            np.testing.assert_array_equal(images, split.images[batches.indices(step)])
    assert not list(supplies(range(14, 14)))


def test_a_streamed_run_ends_as_one_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    split = data.load("digits", "train[:50]")
    layer = fnn.models.mlp(10, widths=(16,))
    endings = []
    for resident_bytes in (0, 2**30):
        monkeypatch.setattr(room, "RESIDENT_BYTES", resident_bytes)
        endings.append(train.fit(layer, split, OPTIMIZER, epochs=2, batch_size=8).train_state.params)
    assert equal(*endings)


def test_the_pace_grows_to_what_takes_its_time_and_minds_only_whole_stretches() -> None:
    pace = Pace()
    pace.took(1, 5.0)  # compiling
    assert pace.steps == 1
    for expected in (8, 64, 100, 100):
        pace.took(pace.steps, 0.002 * pace.steps)
        assert pace.steps == expected
    pace.took(1, 1.0)  # the rest of an epoch
    assert pace.steps == 100
    pace.took(100, 100.0)
    assert pace.steps == 1
