"""The one concept: `Layer`, `stateless` with the example of its docstring, `elementwise`."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn

SAME = partial(jax.tree.map, np.testing.assert_array_equal)
X = jax.random.normal(jax.random.key(1), (4, 3))


def test_a_layer_is_two_functions_and_a_name():
    assert fnn.Layer._fields == ("init", "apply", "name")
    assert isinstance(fnn.Relu, fnn.Layer)
    assert isinstance(fnn.Dense(2), fnn.Layer)
    init, apply, name = fnn.Dense(2)
    assert (callable(init), callable(apply), name) == (True, True, "dense")


@pytest.mark.parametrize("layer", [fnn.Dense(3), fnn.BatchNorm(), fnn.Relu, fnn.Dropout(), fnn.serial(fnn.Dense(3))])
def test_train_has_no_default_and_is_given_by_name(key, layer):
    params, state = layer.init(key, X)
    with pytest.raises(TypeError, match="train"):
        layer.apply(params, state, X)
    with pytest.raises(TypeError, match="positional"):
        layer.apply(params, state, X, False)
    train = inspect.signature(layer.apply).parameters["train"]
    assert (train.default, train.kind) == (inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY)


# stateless


@pytest.fixture
def Scale():
    """The user's layer of the docstring of `fnn.stateless`, run as it stands there."""
    lines = [line.strip() for line in (fnn.stateless.__doc__ or "").splitlines()]
    code = [line.removeprefix(">>>").removeprefix("...")[1:] for line in lines if line.startswith((">>>", "..."))]
    found = {"jnp": jnp, "stateless": fnn.stateless}
    exec("\n".join(code), found)
    return found["Scale"]


def test_the_docstrings_example_is_a_layer(key, Scale):
    layer = Scale(2.0)
    params, state = layer.init(key, X)
    SAME(params, {"scale": jnp.full(3, 2.0)})
    assert (state, layer.name) == ({}, "scale")
    for train in (False, True):
        y, state = layer.apply(params, {}, X[0], train=train)
        SAME((y, state), (2 * X[0], {}))
    assert layer.apply(params, {}, X[0].astype(jnp.bfloat16), train=False)[0].dtype == jnp.bfloat16


def test_the_docstrings_example_takes_a_batch(key, Scale):
    params, _ = Scale().init(key, X)
    with jax.numpy_rank_promotion("allow"):  # JAX's default, for which the example is written
        SAME(Scale().apply(params, {}, X, train=False)[0], X)


def test_the_docstrings_example_composes(key, Scale):
    net = fnn.serial(fnn.Dense(3), Scale(3.0), scale=Scale(0.5))
    with jax.numpy_rank_promotion("allow"):
        params, state = net.init(key, X)
        y, _ = net.apply(params, state, X, train=True)
    assert set(params) == {"dense1", "scale1", "scale"}
    wanted, _ = fnn.Dense(3).apply(params["dense1"], {}, X, train=True)
    np.testing.assert_allclose(y, 1.5 * wanted, rtol=1e-6)


def test_stateless_refuses_a_state(key, Scale):
    params, _ = Scale().init(key, X)
    with pytest.raises(ValueError, match="scale has no state, got mean"):
        Scale().apply(params, {"mean": jnp.ones(3)}, X, train=False)


def test_a_layer_from_nothing_but_two_functions_composes(key):
    """With state and randomness: what a user writes when `stateless` is not enough."""

    def init(key, x, /):
        return {}, {"calls": jnp.zeros((), jnp.float32)}

    def apply(params, state, x, /, *, train, key=None):
        if not train:
            return x, state
        assert key is not None
        return x + jax.random.normal(key, x.shape), {"calls": state["calls"] + 1}

    noise = fnn.Layer(init, apply, "noise")
    net = fnn.serial(noise, fnn.Relu, noise)
    params, state = net.init(key, X)
    assert params == {}
    SAME(state, {"noise1": {"calls": 0.0}, "noise2": {"calls": 0.0}})
    y, state = net.apply(params, state, X, train=True, key=key)
    SAME(state, {"noise1": {"calls": 1.0}, "noise2": {"calls": 1.0}})
    assert np.any(y != X)


# elementwise


def test_elementwise_applies_the_function_and_has_nothing_to_learn(key):
    layer = fnn.elementwise(jnp.sin)
    assert layer.init(key, X) == ({}, {})
    SAME(layer.apply({}, {}, X, train=True), (jnp.sin(X), {}))


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (fnn.elementwise(jnp.sin), "sin"),
        (fnn.elementwise(jnp.sin, name="wave"), "wave"),
        (fnn.elementwise(jnp.sin, "wave"), "wave"),
        (fnn.elementwise(lambda x: x), "elementwise"),
        (fnn.elementwise(partial(jnp.clip, min=0)), "elementwise"),
        (fnn.Identity, "identity"),
    ],
)
def test_elementwise_is_named_after_its_function(layer, name):
    assert layer.name == name


@pytest.mark.parametrize(
    "function", [lambda x: x[..., :1], lambda x: x.sum(), lambda x: x > 0, lambda x: x.astype(jnp.bfloat16)]
)
def test_elementwise_refuses_a_function_that_changes_shape_or_dtype(key, function):
    layer = fnn.elementwise(function, name="wrong")
    with pytest.raises(ValueError, match=r"wrong is elementwise.*\(4, 3\).*float32.*gave.*fnn.stateless"):
        layer.apply({}, {}, X, train=False)
    with pytest.raises(ValueError, match="wrong is elementwise"):
        fnn.serial(layer).init(key, X)


def test_identity_gives_back_its_input(key):
    SAME(fnn.Identity.apply({}, {}, X, train=True), (X, {}))
    assert fnn.Identity.init(key, X) == ({}, {})
