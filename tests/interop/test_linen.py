"""Linen modules as layers and back, against Linen."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

import fnn
from fnn.interop.flax import from_linen, join_variables, split_variables, to_linen

X = np.random.default_rng(0).standard_normal((4, 5), np.float32)
SHAPE = jax.ShapeDtypeStruct(X.shape, X.dtype)


@pytest.fixture(scope="module", autouse=True)
def as_flax_needs_it() -> Iterator[None]:
    """Flax's layers promote ranks."""
    with jax.numpy_rank_promotion("allow"):
        yield


class Net(linen.Module):
    """Has all that can go wrong: moments, dropout, a counter of its own, and something sown."""

    @linen.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = linen.Dense(6)(x)
        x = linen.BatchNorm(use_running_average=not train, momentum=0.5)(x)
        x = linen.Dropout(0.5, deterministic=not train)(x)
        count = self.variable("counters", "calls", lambda: jnp.int32(0))
        if train:
            count.value = count.value + 1
        self.sow("intermediates", "hidden", x)
        return linen.Dense(2)(x)


def test_linen_module_has_its_own_values_as_a_layer(key: jax.Array) -> None:
    layer, drop = from_linen(Net()), jax.random.key(9)
    assert layer.name == "net"
    params, state = layer.init(key, SHAPE)
    variables = Net().init(key, X, train=False)
    jax.tree.map(np.testing.assert_array_equal, join_variables(params, state), dict(variables))
    assert set(state) == {"batch_stats", "counters"}

    def linens(params: Any) -> Any:
        given = {"params": params} | state
        y, new = Net().apply(given, X, train=True, rngs={"dropout": drop}, mutable=["batch_stats", "counters"])
        return jnp.sum(jnp.square(y)), (y, new)

    def layers(params: Any) -> Any:
        y, new = layer.apply(params, state, X, train=True, key=drop)
        return jnp.sum(jnp.square(y)), (y, new)

    (_, (wanted, wanted_state)), wanted_gradient = jax.jit(jax.value_and_grad(linens, has_aux=True))(params)
    (_, (got, got_state)), gradient = jax.jit(jax.value_and_grad(layers, has_aux=True))(params)
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, got_state, dict(wanted_state))
    assert got_state["counters"]["calls"] == 1
    assert np.abs(got_state["batch_stats"]["BatchNorm_0"]["mean"]).max() > 0
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), gradient, wanted_gradient)

    evaluated, unchanged = layer.apply(params, got_state, X, train=False)
    assert unchanged is got_state
    np.testing.assert_array_equal(evaluated, Net().apply({"params": params} | got_state, X, train=False))


def test_initial_values_of_many_keys_under_jit(key: jax.Array) -> None:
    init = jax.jit(jax.vmap(from_linen(Net()).init, (0, None)))
    params, state = init(jax.random.split(key, 3), X)
    assert params["Dense_0"]["kernel"].shape == (3, 5, 6)
    assert state["batch_stats"]["BatchNorm_0"]["var"].shape == (3, 6)
    assert len(np.unique(params["Dense_0"]["kernel"][:, 0, 0])) == 3


class Told(linen.Module):
    """Says by what it adds how it was told the mode."""

    train: bool | None = None

    @linen.compact
    def __call__(self, x: Any, training: bool = False, deterministic: bool = True, use_running_average: Any = None):
        return x + (100 * training + 10 * (not deterministic) + (use_running_average is False))


class Plain(linen.Module):
    """Is told when it is made, or by an argument of another name."""

    learning: bool = False

    @linen.compact
    def __call__(self, x: Any, phase: str = "") -> Any:
        return x + (10 * self.learning + (phase == "learn"))


def test_the_mode_reaches_the_module(key: jax.Array) -> None:
    def difference(layer: fnn.Layer) -> float:
        params, state = layer.init(key, SHAPE)
        y = [layer.apply(params, state, X, train=train)[0] for train in (True, False)]
        np.testing.assert_array_equal(y[1], X)
        return round(float((y[0] - y[1]).mean()))

    assert difference(from_linen(Told())) == 111
    assert difference(from_linen(Told(), mode=lambda train: {"training": train})) == 100
    assert difference(from_linen(Plain())) == 0
    assert difference(from_linen(Plain(), mode=lambda train: {"phase": "learn" if train else "act"})) == 1
    assert difference(from_linen(lambda train: Plain(learning=train))) == 10


class Deaf(linen.Module):
    """Uses the batch's moments in both modes."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.BatchNorm(use_running_average=False)(x)


def test_moments_without_a_mode_are_refused(key: jax.Array) -> None:
    with pytest.raises(ValueError, match=r"deaf keeps running moments, .*Say how: from_linen\(module, mode="):
        from_linen(Deaf()).init(key, SHAPE)
    on_purpose = from_linen(Deaf(), mode=lambda train: {})
    params, state = on_purpose.init(key, SHAPE)
    assert on_purpose.apply(params, state, X, train=False)[1] is state
    with pytest.raises(TypeError, match="from_linen expects a Linen module"):
        from_linen(lambda train: X)  # pyright: ignore[reportArgumentType]


def test_a_missing_key_is_named(key: jax.Array) -> None:
    net = fnn.serial(old=from_linen(linen.Dropout(0.5)))
    params, state = net.init(key, SHAPE)
    with pytest.raises(ValueError, match="dropout needs a key when train=True") as caught:
        net.apply(params, state, X, train=True)
    assert "in layer 'old'" in caught.value.__notes__[0]
    np.testing.assert_array_equal(net.apply(params, state, X, train=False)[0], X)


def test_boxes_of_sharding_are_taken_off(key: jax.Array) -> None:
    boxed = linen.with_partitioning(linen.initializers.lecun_normal(), ("in", "out"))
    layer = from_linen(linen.Dense(3, kernel_init=boxed))
    params, state = layer.init(key, SHAPE)
    assert isinstance(params["kernel"], jax.Array)
    assert layer.apply(params, state, X, train=False)[0].shape == (4, 3)


LAYER = fnn.serial(
    dense=fnn.Dense(6), norm=fnn.BatchNorm(momentum=0.5), act=fnn.Relu, drop=fnn.Dropout(0.5), head=fnn.Dense(2)
)


def test_a_layer_is_a_linen_module_with_its_own_tree(key: jax.Array) -> None:
    module = to_linen(LAYER)
    variables = module.init(key, X, train=False)
    params, state = LAYER.init(key, X)
    assert jax.tree.map(jnp.shape, dict(variables)) == jax.tree.map(jnp.shape, {"params": params, "batch_stats": state})
    given = {"params": params, "batch_stats": state}
    y, new = module.apply(given, X, train=True, rngs={"dropout": key}, mutable=["batch_stats"])
    again, _ = module.apply(given, X, train=True, rngs=key, mutable=["batch_stats"])
    np.testing.assert_array_equal(y, again)
    assert np.mean(y == LAYER.apply(params, state, X, train=False)[0]) < 0.5
    _, wanted = LAYER.apply(params, state, X, train=True, key=key)  # moments come before the dropout
    jax.tree.map(np.testing.assert_array_equal, new["batch_stats"], wanted)
    np.testing.assert_array_equal(
        module.apply(given, X, train=False), LAYER.apply(params, state, X, train=False)[0], strict=True
    )
    with pytest.raises(ValueError, match="Dropout needs a key"):
        module.apply(given, X, train=True, mutable=["batch_stats"])
    with pytest.raises(ValueError, match="Dense expects parameters kernel"):
        module.apply({}, X, train=False)
    with pytest.raises(TypeError, match="to_linen expects a Layer"):
        to_linen(fnn.Dense)  # pyright: ignore[reportArgumentType]


class Around(linen.Module):
    """A Linen network with a layer of fnn inside."""

    @linen.compact
    def __call__(self, x: Any, train: bool) -> Any:
        return linen.Dense(1)(to_linen(LAYER)(x, train=train))


def test_there_and_back_inside_of_another(key: jax.Array) -> None:
    layer = from_linen(Around())
    params, state = layer.init(key, SHAPE)
    inner = params["_Module_0"]
    assert set(inner) == {"dense", "norm", "head"}
    y, new = layer.apply(params, state, X, train=True, key=key)
    assert y.shape == (4, 1)
    assert np.abs(new["batch_stats"]["_Module_0"]["norm"]["mean"]).max() > 0
    evaluated, _ = layer.apply(params, new, X, train=False)
    own, _ = LAYER.apply(inner, new["batch_stats"]["_Module_0"], X, train=False)
    head = params["Dense_0"]
    np.testing.assert_allclose(evaluated, own @ head["kernel"] + head["bias"], rtol=1e-5, atol=1e-6)


def test_variables_split_and_join() -> None:
    variables = {"params": {"a": X}, "batch_stats": {"b": X}, "cache": {}}
    params, state = split_variables(variables)
    assert (params, state) == ({"a": X}, {"batch_stats": {"b": X}, "cache": {}})
    assert join_variables(params, state) == variables
    assert "params" in variables  # it was not taken out of what was given
    assert split_variables({"batch_stats": {}}) == ({}, {"batch_stats": {}})
    with pytest.raises(ValueError, match="collections by name"):
        join_variables({}, {"params": {}})
