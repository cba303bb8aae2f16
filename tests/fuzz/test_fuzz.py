"""A few of the random networks that `python -m tests.fuzz` tries by the thousand, and proof that it would see a bug."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from tests.fuzz import plans
from tests.fuzz.plans import Plan
from tests.fuzz.trial import Mismatch, compare, try_one

BLOCKS, SEEDS = 4, 40


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_networks_give_the_reference_answer_or_a_clear_error(block: int):
    outcomes = {try_one(seed, gradients=seed % 5 == 0) for seed in range(block * SEEDS, (block + 1) * SEEDS)}
    assert outcomes == {"agrees", "refused"}  # both are there to be tried


def wrong(plan: Plan, shape: tuple[int, ...] = (3, 5, 4)) -> str:
    with jax.enable_x64(True), pytest.raises(Mismatch) as caught:
        compare(plan, shape, np.random.default_rng(0), gradients=False)
    return str(caught.value)


def replace(monkeypatch: pytest.MonkeyPatch, kind: str, layer: fnn.Layer) -> Plan:
    """A network with a bug planted into the layers of one kind."""
    monkeypatch.setitem(plans.FIXED, kind, layer._replace(name=kind))
    return Plan("serial", {}, (Plan("dense", {"features": 4, "bias": True}), Plan(kind, {})))


def test_a_wrong_number_is_seen(monkeypatch):
    plan = replace(monkeypatch, "relu", fnn.LeakyRelu(1e-6))
    assert "train=False, NumPy: wrong by" in wrong(plan)


def test_a_silent_broadcast_is_seen(monkeypatch):
    adds_up = fnn.stateless(lambda key, x: {}, lambda params, x: jnp.sum(x, -1, keepdims=True), name="relu")
    plan = replace(monkeypatch, "relu", adds_up)
    assert "shape (3, 5, 1), expected (3, 5, 4)" in wrong(plan)


def test_what_should_be_refused_is_seen():
    broadcasts = Plan("branch", {"join": lambda outputs: outputs[0] + outputs[1]}, (
        Plan("dense", {"features": 1, "bias": False}), Plan("relu", {}),
    ))  # fmt: skip
    assert "though it has no meaning" in wrong(broadcasts)


def test_an_error_that_is_not_clear_is_seen(monkeypatch):
    fails = fnn.stateless(lambda key, x: {}, lambda params, x: x @ jnp.ones((9, 9)), name="relu")
    assert "no clear error: TypeError" in wrong(replace(monkeypatch, "relu", fails))


def test_a_needless_refusal_is_seen(monkeypatch):
    def refuse(params, x):
        raise ValueError("no")

    plan = replace(monkeypatch, "relu", fnn.stateless(lambda key, x: {}, refuse, name="relu"))
    assert "refused, though its output has shape (3, 5, 4)" in wrong(plan)
