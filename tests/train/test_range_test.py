"""The learning-rate range test: its rates, where it ends, what it suggests, and that it leaves nothing behind."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnn
from fnn import data, train


@pytest.fixture(scope="module")
def split() -> data.Split:
    return data.load("digits", "train[:128]")


def try_rates(split: data.Split, **options: float) -> train.RangeTest:
    return train.range_test(fnn.models.linear_classifier(10), split, optax.sgd, batch_size=16, **options)  # pyright: ignore[reportArgumentType]


def test_rates_rise_by_a_factor_and_the_average_is_corrected_for_its_beginning(split: data.Split) -> None:
    found = try_rates(split, low=1e-6, high=1e-2, steps=9, smoothing=0.5)
    np.testing.assert_allclose(found.rates, np.logspace(-6, -2, 9), rtol=1e-6)
    weights = 0.5 ** np.arange(9)[::-1]
    assert found.smoothed[-1] == pytest.approx(np.average(found.losses, weights=weights))
    assert found.smoothed[0] == found.losses[0]
    assert found.suggestion == pytest.approx(found.rates[np.argmin(found.smoothed)] / 10)


def test_the_rates_are_those_of_the_steps(split: data.Split) -> None:
    """Of a loss that falls by one each update, `w -= rate`, the sum of the rates can be read."""

    def init(key, x, /):
        return {"w": jnp.zeros(())}, {}

    def apply(params, state, x, /, *, train, key=None):
        return jnp.zeros((len(x), 10)) + params["w"], state

    layer = fnn.Layer(init, apply, "falling")
    found = train.range_test(
        layer, split, optax.sgd, batch_size=16, loss=lambda outputs, _: outputs[:, 0], low=1e-3, high=1.0, steps=20
    )
    np.testing.assert_allclose(found.losses, -np.concatenate([[0], np.cumsum(found.rates)[:-1]]), rtol=1e-4)


def test_it_ends_where_the_loss_runs_away_and_suggests_what_trains(split: data.Split) -> None:
    found = try_rates(split, low=1e-4, high=1e4)
    assert len(found.rates) < 200
    assert found.rates[-1] > 10 * found.suggestion
    fitted = train.fit(fnn.models.linear_classifier(10), split, optax.sgd(found.suggestion), epochs=10, batch_size=16)
    assert fitted.history[-1].train_loss < 0.5 * fitted.history[0].train_loss


def test_nothing_is_left_of_it(split: data.Split) -> None:
    def run() -> str:
        layer = fnn.models.mlp(dropout=0.5)
        return train.checkpoint.digest_of_tree(
            train.fit(layer, split, optax.sgd(0.1), epochs=2, batch_size=16).train_state
        )

    before = run()
    train.range_test(fnn.models.mlp(dropout=0.5), split, optax.sgd, batch_size=16, steps=20)
    assert run() == before


def test_what_cannot_be_tried_is_refused(split: data.Split) -> None:
    with pytest.raises(ValueError, match="0 < low < high"):
        try_rates(split, low=1.0, high=0.1)
    with pytest.raises(ValueError, match="no finite loss"):
        train.range_test(
            fnn.models.mlp(), split, optax.sgd, batch_size=16, loss=lambda outputs, _: outputs[:, 0] * jnp.nan
        )
    assert jax.process_count() == 1
