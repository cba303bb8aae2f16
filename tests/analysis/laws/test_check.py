"""What `fnn.check` is told and tells."""

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn.analysis import LAWS, LawsError

VECTORS = jax.ShapeDtypeStruct((4, 6), jnp.float32)
QUICK = ["init is deterministic in its key", "output has the input's dtype"]


def function(f: Any) -> fnn.Layer:
    return fnn.stateless(lambda key, x: {}, lambda params, x: f(x), name="mine")


def float32_inside(x: jax.Array) -> jax.Array:
    return jnp.sin(x.astype(jnp.float32))


def test_the_layer_of_the_design_keeps_every_promise():
    """The whole of a user's layer, as `docs/design.md` and `fnn.stateless` write it."""

    def Scale(initial: float = 1.0) -> fnn.Layer:
        def init(key, x):
            return {"scale": jnp.full(x.shape[-1:], initial, jnp.float32)}

        def apply(params, x):
            return x * params["scale"].astype(x.dtype)[None]

        return fnn.stateless(init, apply, name="scale")

    report = fnn.check(Scale(), VECTORS)
    assert report, str(report)
    assert [row.law for row in report.rows] == list(LAWS)
    silent = {row.law for row in report.rows if row.outcome == "does not apply"}
    assert silent == {"agrees with the oracle", "holds at every shape"}


def test_the_report_says_what_is_wrong_where_and_why():
    net = fnn.serial(fnn.Dense(5), body=fnn.serial(fnn.Relu, mine=function(float32_inside)))
    report = fnn.check(net, VECTORS, laws=QUICK)
    assert not report
    (row,) = report.broken
    assert row.law == "output has the input's dtype"
    assert "It begins in layer 'body/mine', given x of shape (4, 5)." in row.message
    text = str(report)
    assert text.startswith("serial, given x of shape (4, 6): 2 laws hold, 1 broken.\nBROKEN output has the input's")
    assert row.message in text
    assert f"Why it matters: {row.reason}" in text
    assert "  ok   init is deterministic in its key" in text


def test_the_place_of_a_leak_and_of_a_nan():
    centred = function(lambda x: x - jnp.mean(x, 0, keepdims=True))
    net = fnn.serial(fnn.Dense(5), body=fnn.serial(fnn.Relu, mine=centred), head=fnn.Dense(3))
    (row,) = fnn.check(net, VECTORS, laws=["examples do not see each other"]).broken
    assert "It begins in layer 'body/mine'" in row.message
    divides = function(lambda x: x / jnp.sum(x, 1, keepdims=True))
    net = fnn.serial(body=fnn.serial(fnn.Relu, mine=divides), head=fnn.Dense(3))
    (row,) = fnn.check(net, VECTORS, laws=["no NaN at extreme inputs"]).broken
    assert "It begins in layer 'body/mine'" in row.message


def test_strict_raises_the_report():
    with pytest.raises(LawsError, match="BROKEN output has the input's dtype") as caught:
        fnn.check(function(float32_inside), VECTORS, laws=QUICK, strict=True)
    assert len(caught.value.report.broken) == 1
    assert fnn.check(fnn.Relu, VECTORS, laws=QUICK, strict=True)


def test_what_does_not_run_is_said_once_with_its_place():
    def fails(x: jax.Array) -> jax.Array:
        return jnp.dot(x, jnp.ones((7, 2), x.dtype))

    report = fnn.check(fnn.serial(fnn.Relu, mine=function(fails)), VECTORS)
    (row,) = report.broken
    assert row.law == "init and apply run"
    assert "in layer 'mine', given x of shape (4, 6)" in row.message
    assert "test_check.py" in row.message
    assert "in fails: return jnp.dot" in row.message


def test_laws_can_be_skipped_and_chosen():
    report = fnn.check(function(float32_inside), VECTORS, laws=QUICK, skip=["output has the input's dtype"])
    assert report
    assert {row.outcome for row in report.rows if row.law == "output has the input's dtype"} == {"does not apply"}
    with pytest.raises(ValueError, match="knows no law 'gravity'; its laws are nothing captured"):
        fnn.check(fnn.Relu, VECTORS, laws=["gravity"])
    with pytest.raises(ValueError, match="knows no law 'gravity'"):
        fnn.check(fnn.Relu, VECTORS, skip=["gravity"])
    with pytest.raises(TypeError, match="check expects a Layer"):
        fnn.check(fnn.Dense, VECTORS)  # pyright: ignore[reportArgumentType]


# Exceptions on purpose.


def test_batch_norm_must_be_told_of():
    law = ["examples do not see each other"]
    (row,) = fnn.check(fnn.BatchNorm(), VECTORS, laws=law).broken
    assert "in training, example 0" in row.message
    assert "batch_dependent=True" in row.message
    assert fnn.check(fnn.BatchNorm(), VECTORS, laws=law, batch_dependent=True)


def test_frozen_parameters_must_be_told_of():
    net = fnn.serial(fnn.frozen(fnn.Dense(5)), fnn.Dense(3))
    laws = ["every parameter gets a gradient", "derivatives agree"]
    report = fnn.check(net, VECTORS, laws=laws)
    assert "'dense1/bias', 'dense1/kernel'" in report.broken[0].message
    assert [row.law for row in report.broken] == laws
    assert fnn.check(net, VECTORS, laws=laws, without_gradient=["dense1/bias", "dense1/kernel"])
    (row,) = fnn.check(net, VECTORS, laws=laws[:1], without_gradient=["dense1/kernel"]).broken
    assert "reaches 'dense1/bias' in training" in row.message


def test_mixed_precision_must_be_told_of():
    layer = fnn.mixed_precision(fnn.Dense(3))
    (row,) = fnn.check(layer, VECTORS, laws=["derivatives agree"]).broken
    assert "narrow=True" in row.message
    assert fnn.check(layer, VECTORS, laws=["derivatives agree", "second derivatives exist"], narrow=True)


def test_inputs_may_be_drawn_otherwise():
    root = function(jnp.sqrt)
    assert not fnn.check(root, VECTORS, laws=["derivatives agree"])
    assert fnn.check(root, VECTORS, laws=["derivatives agree"], draw=lambda random, shape: random.uniform(1, 2, shape))


def test_integers_are_used_as_they_are():
    def embed(params: Any, x: jax.Array) -> jax.Array:
        return params["kernel"][x]

    layer = fnn.stateless(
        lambda key, x: {"kernel": jax.random.normal(key, (5, 3), jnp.float32)}, embed, name="embedding"
    )
    report = fnn.check(layer, jnp.asarray([[0, 4], [3, 3], [1, 2]]))
    assert report, str(report)
    assert {row.law for row in report.rows if row.outcome == "does not apply"} >= {"output has the input's dtype"}


def test_trees_of_inputs_are_examined():
    pair = fnn.parallel(fnn.Dense(3), fnn.Relu)
    report = fnn.check(pair, (VECTORS, jax.ShapeDtypeStruct((4, 2), jnp.float32)), laws=[*QUICK, "derivatives agree"])
    assert report, str(report)


# Shapes.


def fails_from(size: int) -> fnn.Layer:
    """Stumbles once the channels number at least `size` and the batch at least 2."""
    return function(lambda x: x[:, : x.shape[1]].reshape(-1) if min(x.shape[1] - size, x.shape[0] - 2) >= 0 else x)


@pytest.mark.parametrize("installed", [True, False], ids=["hypothesis", "without hypothesis"])
def test_the_smallest_failing_shape_is_found(installed, monkeypatch):
    if not installed:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    shapes = ((1, 3), (1, 5))
    (row,) = fnn.check(fails_from(3), VECTORS, laws=["holds at every shape"], shapes=shapes).broken
    assert "for x of shape (2, 3): examples do not see each other" in row.message
    assert fnn.check(fails_from(6), VECTORS, laws=["holds at every shape"], shapes=shapes)


def test_ranges_of_shapes_are_checked():
    for shapes in (((3, 1), 2), ((-1, 2), 2)):
        report = fnn.check(fnn.Relu, VECTORS, laws=["holds at every shape"], shapes=shapes)
        assert "one int or (lowest, highest) for each axis" in report.broken[0].message


def test_an_oracle_is_asked_at_every_shape():
    def oracle(params: Any, state: Any, x: np.ndarray) -> np.ndarray:
        return x if x.shape[1] < 4 else 2 * x

    law = ["holds at every shape"]
    (row,) = fnn.check(fnn.Identity, VECTORS, laws=law, oracle=oracle, shapes=(2, (1, 5))).broken
    assert "for x of shape (2, 4): agrees with the oracle" in row.message
