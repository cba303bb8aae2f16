"""NNX modules as layers and back, against NNX."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import fnn
from fnn.interop.flax import from_nnx, split_module, to_nnx, update_module

X = np.random.default_rng(0).standard_normal((4, 5), np.float32)


@pytest.fixture(scope="module", autouse=True)
def as_flax_needs_it() -> Iterator[None]:
    """Flax's layers promote ranks."""
    with jax.numpy_rank_promotion("allow"):
        yield


class Net(nnx.Module):
    """Has moments, two dropouts and a list of modules."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.norm = nnx.BatchNorm(5, momentum=0.5, rngs=rngs)
        self.drops = nnx.List([nnx.Dropout(0.5, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)])
        self.layers = nnx.List([nnx.Linear(5, 5, rngs=rngs), nnx.Linear(5, 2, rngs=rngs)])

    def __call__(self, x: Any) -> Any:
        x = self.norm(x)
        for drop, layer in zip(self.drops, self.layers, strict=True):
            x = layer(drop(x))
        return x


LAYER = from_nnx(lambda rngs: Net(rngs), name="net")


def test_nnx_module_has_its_own_values_as_a_layer(key: jax.Array) -> None:
    params, state = jax.jit(LAYER.init)(key, X)
    module = Net(nnx.Rngs(key))
    assert set(params) == {"norm", "layers"}
    assert jax.tree.map(jnp.shape, state) == {"norm": {"mean": (5,), "var": (5,)}}
    jax.tree.map(np.testing.assert_array_equal, (params, state), split_module(module))
    np.testing.assert_array_equal(params["layers"]["1"]["kernel"], module.layers[1].kernel[...])

    y, new = LAYER.apply(params, state, X, train=True, key=key)
    module.train()
    module(X)
    jax.tree.map(np.testing.assert_array_equal, new, split_module(module)[1])
    module.eval()
    evaluated, unchanged = LAYER.apply(params, new, X, train=False)
    assert unchanged is new
    np.testing.assert_allclose(evaluated, module(X), rtol=1e-6)
    assert np.mean(y == evaluated) < 0.5


def test_the_layers_key_alone_decides_what_is_dropped(key: jax.Array) -> None:
    apply = jax.jit(lambda params, state, key: LAYER.apply(params, state, X, train=True, key=key)[0])
    params, state = LAYER.init(key, X)
    first = apply(params, state, key)
    np.testing.assert_array_equal(first, apply(params, state, key))
    assert np.any(first != apply(params, state, jax.random.key(1)))
    two = from_nnx(lambda rngs: nnx.Sequential(nnx.Dropout(0.5, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)))
    y, _ = two.apply({}, {}, jnp.ones((40, 50)), train=True, key=key)
    np.testing.assert_allclose(np.mean(y != 0), 0.25, atol=0.05)  # equal masks would leave a half


def test_errors(key: jax.Array) -> None:
    params, state = LAYER.init(key, X)
    for apply in (LAYER.apply, jax.jit(LAYER.apply, static_argnames="train")):
        with pytest.raises(ValueError, match="net needs a key when train=True"):
            apply(params, state, X, train=True)
    del params["layers"]["0"]
    with pytest.raises(ValueError, match="net expects parameters"):
        LAYER.apply(params, state, X, train=False)
    with pytest.raises(TypeError, match=r"from_nnx\(lambda rngs: Net\("):
        from_nnx(Net(nnx.Rngs(0)))  # pyright: ignore[reportArgumentType]


def test_values_go_into_a_module(key: jax.Array) -> None:
    params, state = LAYER.init(key, X)
    module = Net(nnx.Rngs(7))
    update_module(module, params, state)
    jax.tree.map(np.testing.assert_array_equal, (params, state), split_module(module))
    with pytest.raises(ValueError, match="Net expects state"):
        update_module(module, params, {})


def test_a_layer_is_an_nnx_module(key: jax.Array) -> None:
    layer = fnn.serial(norm=fnn.BatchNorm(), drop=fnn.Dropout(0.5), head=fnn.Dense(2))
    module = to_nnx(layer, jax.ShapeDtypeStruct(X.shape, X.dtype), nnx.Rngs(0))
    split = split_module(module)
    params, state = split[0]["params"], split[1]["state"]
    assert jax.tree.map(jnp.shape, (params, state)) == jax.tree.map(jnp.shape, layer.init(key, X))
    y = nnx.jit(lambda module, x: module(x))(module, X)
    moments = split_module(module)[1]["state"]
    jax.tree.map(np.testing.assert_allclose, moments, layer.apply(params, state, X, train=True, key=key)[1])
    assert np.any(y != nnx.jit(lambda module, x: module(x))(module, X))
    module.eval()
    before = split_module(module)[1]["state"]
    wanted, _ = layer.apply(params, before, X, train=False)
    np.testing.assert_allclose(module(X), wanted, rtol=1e-6)  # pyright: ignore[reportCallIssue]
    jax.tree.map(np.testing.assert_array_equal, split_module(module)[1]["state"], before)
    with pytest.raises(TypeError, match="to_nnx expects a Layer"):
        to_nnx(fnn.Dense, X, nnx.Rngs(0))  # pyright: ignore[reportArgumentType]
