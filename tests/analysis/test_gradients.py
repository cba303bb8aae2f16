"""`check_gradients` passes what is right, and names the one entry that is wrong."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from every_layer import EVERY_LAYER, example, identify

import fnn
from fnn.analysis import GradientError


def wave(entry: tuple[int, ...], factor: float) -> Any:
    """`Σ sin(w) x`, whose derivative by one entry of `w` is wrong by a factor in reverse mode."""

    @jax.custom_vjp
    def wave(params: Any, x: Any) -> Any:
        return jnp.sum(jnp.sin(params["w"]) * x)

    def backward(kept: Any, g: Any) -> Any:
        params, x = kept
        right = g * jnp.cos(params["w"]) * x
        return {"w": right.at[entry].multiply(jnp.asarray(factor, right.dtype))}, g * jnp.sin(params["w"])

    wave.defvjp(lambda params, x: (wave(params, x), (params, x)), backward)
    return wave


@pytest.mark.parametrize("shape", [(3, 4), (30, 40)])
def test_an_error_of_one_percent_in_one_entry_is_found_and_named(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    params, x = {"w": random.uniform(0, 3, shape)}, random.uniform(1, 2, shape)
    right = fnn.check_gradients(wave((2, 1), 1.0), params, x)
    assert right == (2 * x.size, 0, ("reverse",))
    with pytest.raises(GradientError, match=r"wrong in 1 places.\n  reverse mode: by params/w\[2, 1\] it is") as caught:
        fnn.check_gradients(wave((2, 1), 1.01), params, x)
    (found,) = caught.value.differences
    wanted = np.cos(params["w"][2, 1]) * x[2, 1]
    assert (found.path, found.entry, found.mode) == ("params/w", (2, 1), "reverse")
    np.testing.assert_allclose([found.derivative, found.difference], [1.01 * wanted, wanted], rtol=1e-7)


def test_a_wrong_forward_mode_is_told_from_a_right_reverse_mode() -> None:
    @jax.custom_jvp
    def f(x: Any) -> Any:
        return jnp.sin(x)

    @f.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        slopes = jnp.cos(primals[0]).at[1].multiply(jnp.asarray(0.99, primals[0].dtype))
        return f(*primals), slopes * tangents[0]

    with pytest.raises(GradientError) as caught:
        fnn.check_gradients(f, jnp.array([0.1, 0.2, 0.3]))
    assert {(d.mode, d.entry) for d in caught.value.differences} == {("forward", (1,)), ("reverse", (1,))}


@pytest.mark.parametrize(
    "layer",
    [fnn.Conv(2, 3), fnn.Dense(3), fnn.BatchNorm(), fnn.MaxPool(2), fnn.Dropout(0.5)],
    ids=lambda layer: layer.name,
)
def test_layers_are_right(layer: fnn.Layer, key: jax.Array) -> None:
    x = jax.random.normal(key, (2, 4, 4, 2))
    params, state = layer.init(key, x)
    checked = fnn.check_gradients(layer, params, state, x, train=True, key=key)
    size = x.size + sum(leaf.size for leaf in jax.tree.leaves(params))
    assert checked == (size, 0, ("forward", "reverse"))


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in EVERY_LAYER if name[0] not in fnn.models.MODELS], ids=identify)
def test_every_layer_is_right(name: tuple[str, str], key: jax.Array) -> None:
    entry = EVERY_LAYER[name]
    x = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), example(entry.shape))
    params, state = entry.layer.init(key, x)
    if name[0] == "mixed_precision":
        with pytest.raises(ValueError, match=r"computes in b?float16"):
            fnn.check_gradients(entry.layer, params, state, x, train=True, key=key)
        return
    if name[0] == "frozen":  # which stops the gradient of its parameters, and of nothing else
        with pytest.raises(GradientError) as caught:
            fnn.check_gradients(entry.layer, params, state, x, train=True, key=key)
        assert {(d.path.partition("/")[0], d.derivative) for d in caught.value.differences} == {("params", 0.0)}
        return
    fnn.check_gradients(entry.layer, params, state, x, train=True, key=key)


def test_kinks_are_left_out_and_counted() -> None:
    x = jnp.array([-1.0, 0.0, 2.0, 1e-6, -0.5])
    assert fnn.check_gradients(fnn.Relu, {}, {}, x, train=False) == (3, 2, ("forward", "reverse"))
    tie = jnp.array([1.0, 1.0, 3.0, 2.0]).reshape(1, 4, 1)
    assert fnn.check_gradients(fnn.MaxPool(2), {}, {}, tie, train=False) == (2, 2, ("forward", "reverse"))
    assert fnn.check_gradients(lambda x: jnp.max(x), jnp.array([1.0, 3.0, 3.0])).kinks == 2
    with pytest.raises(ValueError, match="relu has a kink at every entry"):
        fnn.check_gradients(fnn.Relu, {}, {}, jnp.zeros(4), train=False)


def test_a_loop_is_checked_in_forward_mode() -> None:
    def f(x: Any) -> Any:
        return jax.lax.while_loop(lambda c: c[1] < 3, lambda c: (jnp.sin(c[0]), c[1] + 1), (x, 0))[0]

    assert fnn.check_gradients(f, 1.0) == (1, 0, ("forward",))


def test_a_derivative_that_is_no_number_is_wrong() -> None:
    with pytest.raises(GradientError, match="it is nan"):
        fnn.check_gradients(
            lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 5, x, 0.0)), 0.0) + x, jnp.array([1.0, 2.0])
        )


def test_what_cannot_be_checked_is_refused(key: jax.Array) -> None:
    x = jnp.ones((2, 3))
    params, state = fnn.Dense(2).init(key, x)
    with pytest.raises(ValueError, match="computes in float32 when it is given float64"):
        fnn.check_gradients(lambda x: jnp.sin(x.astype(jnp.float32)).astype(x.dtype), x)
    with pytest.raises(TypeError, match="no floating-point numbers to differentiate it by"):
        fnn.check_gradients(jnp.sin, 3)
    with pytest.raises(TypeError, match="gives no floating-point numbers"):
        fnn.check_gradients(jnp.argmax, x)
    with pytest.raises(TypeError, match=r"called \(layer, params, state, x, train=…\)"):
        fnn.check_gradients(fnn.Dense(2), params, state, x)
    with pytest.raises(TypeError, match="train and key are a layer's"):
        fnn.check_gradients(jnp.sin, x, train=True)
    assert jnp.asarray(1.5).dtype == jnp.float32  # double precision is over when the check is
