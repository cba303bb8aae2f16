"""Between stax's pairs and layers: the same values, names for parameters, and fnn's strictness."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.example_libraries import stax as original

import fnn
from fnn import stax


def network(mode: str, library: Any = stax) -> Any:
    branch = library.parallel(library.serial(library.Relu, library.Relu), library.Dense(4))
    block = library.serial(library.FanOut(2), branch, library.FanInSum)
    return library.serial(library.Dense(4), block, library.Dropout(0.5, mode=mode), library.Flatten, library.Dense(2))


INIT_FUN, TRAIN = network("train")
EVALUATE = network("test")[1]
LAYER = stax.upgrade(INIT_FUN, TRAIN, EVALUATE, name="old")
X = np.random.default_rng(0).standard_normal((3, 5), np.float32)


def test_initial_values_and_outputs_are_those_of_the_pair(key: jax.Array) -> None:
    params, state = LAYER.init(key, jax.ShapeDtypeStruct(X.shape, X.dtype))
    _, listed = INIT_FUN(key, X.shape)
    assert state == {}
    assert jax.tree.map(jnp.shape, params) == {
        "0": {"0": (5, 4), "1": (4,)},
        "1": {"1": {"1": {"0": (4, 4), "1": (4,)}}},
        "4": {"0": (4, 2), "1": (2,)},
    }
    np.testing.assert_array_equal(params["1"]["1"]["1"]["0"], listed[1][1][1][0])
    drop = jax.random.key(5)
    np.testing.assert_array_equal(
        LAYER.apply(params, {}, X, train=True, key=drop)[0], TRAIN(listed, X, rng=drop), strict=True
    )
    np.testing.assert_array_equal(LAYER.apply(params, {}, X, train=False)[0], EVALUATE(listed, X, rng=drop))


def test_stax_itself_is_upgraded_too_and_trains_inside_a_network(key: jax.Array) -> None:
    init_fun, apply_fun = network("train", original)
    old = stax.upgrade(init_fun, apply_fun, network("test", original)[1])
    net = fnn.serial(old=old, head=fnn.Dense(2))
    with jax.numpy_rank_promotion("allow"):
        params, state = jax.jit(net.init)(key, X)
    assert set(params) == {"old", "head"}
    optimizer = optax.sgd(0.1)

    def loss(params: Any) -> jax.Array:
        y, _ = net.apply(params, state, X, train=True, key=key)
        return jnp.mean(jnp.square(y - 1))

    with jax.numpy_rank_promotion("allow"):
        before, gradient = jax.jit(jax.value_and_grad(loss))(params)
        updates, _ = optimizer.update(gradient, optimizer.init(params))
        assert loss(optax.apply_updates(params, updates)) < before  # pyright: ignore[reportArgumentType]


def test_a_pair_with_one_bare_array_and_one_with_none(key: jax.Array) -> None:
    scale = stax.upgrade(
        lambda rng, shape: (shape, jax.random.normal(rng, shape[-1:])),
        lambda params, x, **_: x * jnp.broadcast_to(params, x.shape),
    )
    params, _ = scale.init(key, X)
    assert set(params) == {"params"}
    np.testing.assert_allclose(scale.apply(params, {}, X, train=False)[0], X * params["params"][None])
    relu = stax.upgrade(*stax.serial(stax.Relu, stax.Relu))
    assert relu.init(key, X) == ({}, {})
    np.testing.assert_array_equal(relu.apply({}, {}, X, train=False)[0], np.maximum(X, 0))
    with pytest.raises(ValueError, match="has no state, got mean"):
        relu.apply({}, {"mean": jnp.ones(3)}, X, train=False)


def test_several_inputs(key: jax.Array) -> None:
    both = stax.upgrade(*stax.serial(stax.parallel(stax.Dense(3), stax.Dense(3)), stax.FanInSum))
    x = (X, X[:, :2])
    params, state = both.init(key, x)
    assert params["0"]["1"]["0"].shape == (2, 3)
    assert both.apply(params, state, x, train=False)[0].shape == (3, 3)


def test_wrong_parameters_are_refused_with_the_path(key: jax.Array) -> None:
    net = fnn.serial(old=LAYER)
    params, _ = net.init(key, X)
    del params["old"]["4"]["1"]
    with pytest.raises(ValueError, match=r"old expects parameters .*got .*init made") as caught:
        net.apply(params, {}, X, train=False)
    assert "in layer 'old'" in caught.value.__notes__[0]


def test_a_key_is_asked_for_where_it_is_read_alone(key: jax.Array) -> None:
    params, _ = LAYER.init(key, X)
    with pytest.raises(ValueError, match="old needs a key when train=True"):
        LAYER.apply(params, {}, X, train=True)
    careless = stax.upgrade(INIT_FUN, TRAIN)
    with pytest.raises(ValueError, match="random in evaluation too"):
        careless.apply(params, {}, X, train=False, key=key)
    dense = stax.upgrade(*stax.serial(stax.Dense(2)))
    params, _ = dense.init(key, X)
    y, _ = dense.apply(params, {}, X, train=True)
    np.testing.assert_array_equal(y, dense.apply(params, {}, X, train=False)[0])


def test_downgrade_makes_a_pair_that_stax_composes(key: jax.Array) -> None:
    layer = fnn.serial(conv=fnn.Conv(4, 3), drop=fnn.Dropout(0.5), flat=fnn.Flatten)
    init_fun, apply_fun = original.serial(stax.downgrade(layer, train=True), original.Dense(2))
    shape, params = init_fun(key, (-1, 5, 5, 1))
    assert shape == (-1, 2)
    own, _ = layer.init(jax.random.split(key)[1], jnp.ones((2, 5, 5, 1)))
    np.testing.assert_array_equal(params[0]["conv"]["kernel"], own["conv"]["kernel"])
    x = np.random.default_rng(0).standard_normal((2, 5, 5, 1), np.float32)
    y, _ = layer.apply(params[0], {}, x, train=True, key=jax.random.split(key)[0])
    W, b = params[1]
    with jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(apply_fun(params, x, rng=key), jnp.dot(y, W) + b, rtol=1e-6)
    evaluate = stax.downgrade(layer, train=False)[1]
    np.testing.assert_array_equal(evaluate(own, x), layer.apply(own, {}, x, train=False)[0])


def test_downgrade_takes_lists_of_shapes_and_no_state(key: jax.Array) -> None:
    join = stax.downgrade(fnn.parallel(fnn.Dense(2), fnn.Dense(3)), train=False)
    shape, params = join[0](key, [(4, 5), (4, 6)])
    assert shape == ((4, 2), (4, 3))
    assert params["dense2"]["kernel"].shape == (6, 3)
    with pytest.raises(ValueError, match=r"layer without state, got 'batch_norm' with \{mean: \(3,\), var: \(3,\)\}"):
        stax.downgrade(fnn.BatchNorm(), train=True)[0](key, (4, 3))
    with pytest.raises(TypeError, match="downgrade expects a Layer"):
        stax.downgrade(fnn.Dense, train=True)  # pyright: ignore[reportArgumentType]
