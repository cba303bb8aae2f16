"""Optimizers and schedules by name."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fnn import train

pytestmark = pytest.mark.usefixtures("optax_promotes")

PARAMS = {"dense": {"kernel": jnp.full((2, 2), 2.0), "bias": jnp.full(2, 2.0)}}
ZERO = {"dense": {"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)}}


def first_update(optimizer: optax.GradientTransformation, gradient: Any) -> Any:
    return optimizer.update(gradient, optimizer.init(PARAMS), PARAMS)[0]


@pytest.mark.parametrize("name", train.OPTIMIZERS)
def test_every_optimizer_descends(name: str) -> None:
    gradient = {"dense": {"kernel": jnp.ones((2, 2)), "bias": -jnp.ones(2)}}
    updates = first_update(train.make_optimizer(name, 0.01, 10), gradient)
    assert np.all(np.asarray(updates["dense"]["kernel"]) < 0)
    assert np.all(np.asarray(updates["dense"]["bias"]) > 0)


@pytest.mark.parametrize("name", train.OPTIMIZERS)
def test_weight_decay_shrinks_kernels_and_nothing_else(name: str) -> None:
    updates = first_update(train.make_optimizer(name, 0.01, 10, weight_decay=0.5), ZERO)
    assert np.all(np.asarray(updates["dense"]["kernel"]) < 0)
    np.testing.assert_array_equal(updates["dense"]["bias"], np.zeros(2))
    still = first_update(train.make_optimizer(name, 0.01, 10), ZERO)
    np.testing.assert_array_equal(still["dense"]["kernel"], np.zeros((2, 2)))


def test_sgd_weight_decay_is_the_gradient_of_half_l2() -> None:
    updates = first_update(train.make_optimizer("sgd", 0.1, 10, weight_decay=0.5), ZERO)
    np.testing.assert_allclose(updates["dense"]["kernel"], -0.1 * 0.5 * 2.0 * np.ones((2, 2)), rtol=1e-6)


def test_momentum_keeps_a_share_of_the_last_update() -> None:
    optimizer = train.make_optimizer("sgd", 1.0, 10, momentum=0.75)
    gradient: Any = {"w": jnp.ones(())}
    _, state = optimizer.update(gradient, optimizer.init(gradient), gradient)
    updates: Any = optimizer.update(gradient, state, gradient)[0]
    assert float(updates["w"]) == pytest.approx(-1.75)


@pytest.mark.parametrize(
    ("schedule", "begin", "middle", "end"),
    [
        ("constant", 1, 1, 1),
        ("cosine", 1, 0.5, 0),
        ("linear", 1, 0.5, 0),
        ("warmup_cosine", 0, 0.5868, 0),  # half a cosine over the last nine tenths: (1 + cos(π · 4/9)) / 2
        ("exponential", 1, 0.1, 0.01),
        ("step", 1, 0.1, 0.01),
    ],
)
def test_schedules_pass_through_their_known_values(schedule: str, begin: float, middle: float, end: float) -> None:
    rate = train.SCHEDULES[schedule](1.0, 100)
    assert [float(np.asarray(rate(step))) for step in (0, 50, 100)] == pytest.approx([begin, middle, end], abs=1e-4)


def path(optimizer: optax.GradientTransformation, steps: int = 4) -> Any:
    """Where an optimizer gets to on gradients between 0 and 2."""
    params, state = PARAMS, optimizer.init(PARAMS)
    for step in range(steps):
        gradient = jax.tree.map(lambda leaf, step=step: 1 + jnp.sin(leaf + step), params)
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize("schedule", train.SCHEDULES)
@pytest.mark.parametrize("name", train.OPTIMIZERS)
def test_traced_numbers_do_as_plain_ones(name: str, schedule: str) -> None:
    if schedule != "warmup_cosine" and name not in ("sgd", "lamb"):
        return  # the schedule is handed to each in the same way
    values = {"learning_rate": 0.03, "weight_decay": 0.1, "clip_norm": 1.5}
    if train.takes_momentum(name):
        values["momentum"] = 0.8

    def go(hyper: dict[str, Any]) -> Any:
        return path(train.make_optimizer(name, steps=4, schedule=schedule, **hyper))

    alone = jax.jit(lambda: go(values))()
    others = {what: value * 0.5 for what, value in values.items()}
    both = {what: jnp.asarray([values[what], others[what]], jnp.float32) for what in values}
    together = jax.jit(jax.vmap(go))(both)
    for number, expected in enumerate((alone, jax.jit(lambda: go(others))())):
        for mine, theirs in zip(jax.tree.leaves(together), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(mine[number], theirs, rtol=1e-5, atol=1e-6)
    assert not np.allclose(together["dense"]["kernel"][0], together["dense"]["kernel"][1], rtol=1e-3)


@pytest.mark.parametrize("what", ["weight_decay", "clip_norm", "momentum"])
def test_each_traced_number_matters(what: str) -> None:
    def go(value: jax.Array) -> Any:
        traced: dict[str, Any] = {what: value}
        return path(train.make_optimizer("sgd", 0.1, 4, **traced))

    ends = jax.jit(jax.vmap(go))(jnp.asarray([0.1, 0.3], jnp.float32))["dense"]["kernel"]
    assert not np.allclose(ends[0], ends[1], rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "sdg"}, "choose one of sgd, adam"),
        ({"schedule": "cosinus"}, "choose one of constant, cosine"),
        ({"learning_rate": 0.0}, "must be positive"),
        ({"learning_rate": float("nan")}, "must be positive"),
        ({"learning_rate": float("inf")}, "both finite"),
        ({"weight_decay": -1.0}, "not negative"),
        ({"momentum": 1.0}, "momentum must be"),
        ({"name": "adam", "momentum": 0.5}, "sgd, rmsprop do"),
    ],
)
def test_what_is_not_possible_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train.make_optimizer(**{"name": "sgd", "learning_rate": 0.1, "steps": 10} | arguments)


@pytest.mark.parametrize("schedule", train.SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_schedules_of_very_short_runs_are_finite(schedule: str, steps: int) -> None:
    rate = train.SCHEDULES[schedule](1.0, steps)
    rates = [float(np.asarray(rate(step))) for step in range(steps)]
    assert np.all(np.isfinite(rates))
    assert schedule == "warmup_cosine" or rates[0] == 1
