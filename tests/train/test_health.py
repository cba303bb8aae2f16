"""A network's health, measured where it is known by hand and planted where it is bad."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn import losses
from fnn.train import LayerHealth, examine, findings
from fnn.train.health import kind_of

LABELS = jnp.asarray([0, 1, 1, 0])


def draw(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))


def health_of(net: fnn.Layer, x: Any, params: Any = None, labels: Any = LABELS) -> dict[str, LayerHealth]:
    initial, state = net.init(jax.random.key(0), x)
    loss = losses.softmax_cross_entropy
    found = examine(net, loss, initial if params is None else params, state, x, labels, jax.random.key(1))
    return {layer.path: layer for layer in found}


def said(health: dict[str, LayerHealth]) -> list[str]:
    return findings(list(health.values()))


def test_every_number_is_what_one_computes_by_hand() -> None:
    net = fnn.serial(a=fnn.Dense(3), act=fnn.Relu, head=fnn.Dense(2, bias=False))
    x = np.asarray(draw(4, 2), np.float64)
    a, b = np.array([[1.0, -1, 0], [2, 1, 0]]), np.array([1.0, 2, -5])
    head = np.array([[1.0, 2], [3, -1], [1, 1]])
    hidden = x @ a + b
    relu = np.maximum(hidden, 0)
    logits = relu @ head
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    g_logits = (p - np.eye(2)[np.asarray(LABELS)]) / 4
    g_relu = g_logits @ head.T
    g_hidden = g_relu * (hidden > 0)
    g_a, g_b, g_head = x.T @ g_hidden, g_hidden.sum(axis=0), relu.T @ g_logits
    params = {
        "a": {"kernel": jnp.asarray(a, jnp.float32), "bias": jnp.asarray(b, jnp.float32)},
        "head": {"kernel": jnp.asarray(head, jnp.float32)},
    }
    found = health_of(net, jnp.asarray(x, jnp.float32), params)
    assert list(found) == ["a", "act", "head"]
    for path, given, made, gradient in (
        ("a", x, hidden, g_hidden),
        ("act", hidden, relu, g_relu),
        ("head", relu, logits, g_logits),
    ):
        layer = found[path]
        assert layer.units == made.shape[1]
        wanted = (given.std(), made.mean(), made.std(), np.sqrt(np.mean(gradient**2)))
        assert (layer.input_std, layer.mean, layer.std, layer.gradient_rms) == pytest.approx(wanted, rel=1e-5)
    assert found["a"].parameter_norm == pytest.approx(np.sqrt((a**2).sum() + (b**2).sum()))
    assert found["a"].gradient_norm == pytest.approx(np.sqrt((g_a**2).sum() + (g_b**2).sum()), rel=1e-5)
    assert found["head"].relative_gradient == pytest.approx(np.linalg.norm(g_head) / np.linalg.norm(head), rel=1e-5)
    assert found["act"].kind == "rectifier"
    assert found["act"].dead == pytest.approx(1 / 3)  # the unit of bias −5 and kernel 0
    assert (found["act"].parameter_norm, found["act"].relative_gradient, found["act"].saturated) == (None, None, None)
    assert (found["a"].dead, found["a"].kind) == (None, None)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (fnn.Relu, "rectifier"),
        (fnn.elementwise(lambda x: jnp.minimum(jax.nn.relu(x), 2), "capped"), "rectifier"),
        (fnn.Sigmoid, "sigmoid"),
        (fnn.Tanh, "tanh"),
        (fnn.HardTanh, "hard tanh"),
        (fnn.Identity, None),
        (fnn.LeakyRelu(), None),
        (fnn.Elu(), None),
        (fnn.Gelu, None),
        (fnn.Softplus, None),
        (fnn.Softmax, None),
        (fnn.elementwise(jnp.abs, "abs"), None),
        (fnn.elementwise(lambda x: jax.nn.relu(x + 1), "moved"), None),
    ],
)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_activations_are_told_by_what_they_do(layer: fnn.Layer, kind: str | None, dtype: Any) -> None:
    x = (3 * draw(40, 5)).astype(dtype)
    y, _ = layer.apply({}, {}, x, train=False)
    assert kind_of(np.asarray(x), np.asarray(y)) == kind


def test_dropout_after_a_relu_is_no_rectifier() -> None:
    x = np.asarray(jax.nn.relu(draw(40, 5)))
    y, _ = fnn.Dropout(0.5).apply({}, {}, jnp.asarray(x), train=True, key=jax.random.key(0))
    assert kind_of(x, np.asarray(y)) is None
    assert kind_of(x, x) is None


def test_channels_that_are_zero_everywhere_are_dead_units() -> None:
    net = fnn.serial(conv=fnn.Conv(4, 1), act=fnn.Relu, flat=fnn.Flatten, head=fnn.Dense(2))
    x = np.abs(draw(4, 3, 3, 1)) + np.float32(0.1)
    x[2, 1, 1, 0] = -0.5
    params, _ = net.init(jax.random.key(0), x)
    # The third channel is alive at one place of one sample, the fourth is zero because its input is.
    params["conv"] = {"kernel": jnp.asarray([1.0, -1, -1, 0]).reshape(1, 1, 1, 4), "bias": jnp.asarray([0, -9.0, 0, 0])}
    found = health_of(net, x, params)
    assert (found["act"].units, found["act"].dead) == (4, 0.5)
    assert [line for line in said(found) if "dead" in line and line.startswith("act: 50 % of 4 units are dead")]


def test_dead_units_let_no_gradient_through_and_both_are_said() -> None:
    net = fnn.serial(a=fnn.Dense(5), relu2=fnn.Relu, head=fnn.Dense(2))
    x = draw(4, 3)
    params, _ = net.init(jax.random.key(0), x)
    params["a"]["bias"] = jnp.full(5, -100.0)
    found = health_of(net, x, params, labels=jnp.asarray([0, 1, 1, 1]))
    assert found["a"].without_gradient == ("a/bias", "a/kernel")
    assert found["head"].without_gradient == ("head/kernel",)  # its input is zero
    lines = said(found)
    assert len(lines) == 2
    assert lines[0].startswith("relu2: 100 % of 5 units are dead, they give 0 for every sample")
    assert lines[1].startswith("no gradient at all reaches a/bias, a/kernel, head/kernel: it is exactly 0")


@pytest.mark.parametrize(
    "act", [fnn.Tanh, *(pytest.param(act, marks=pytest.mark.thorough) for act in (fnn.Sigmoid, fnn.HardTanh))]
)
def test_saturated_outputs_are_counted_near_the_ends(act: fnn.Layer) -> None:
    net = fnn.serial(a=fnn.Dense(1, bias=False), act=act, head=fnn.Dense(2))
    params, _ = net.init(jax.random.key(0), jnp.ones((4, 1)))
    params["a"]["kernel"] = jnp.ones((1, 1))
    # sigmoid(±4.7) = 0.991 and 0.009, sigmoid(4.5) = 0.989; tanh(2.7) = 0.991, tanh(2.5) = 0.987.
    x = {"sigmoid": [4.7, -4.7, 4.5, 0], "tanh": [2.7, -2.7, 2.5, 0], "hard_tanh": [1.5, -0.995, 0.985, 0]}[act.name]
    found = health_of(net, jnp.asarray(x).reshape(4, 1), params)
    assert found["act"].saturated == 0.5
    kind = found["act"].kind
    (line,) = [line for line in said(found) if "saturated" in line]
    assert line.startswith(f"act: 50 % of the outputs are saturated, within 0.01 of an end of a {kind}")


def test_a_deep_net_of_sigmoids_vanishes() -> None:
    net = fnn.models.mlp(2, widths=(8,) * 8, activation=fnn.Sigmoid, kernel_init="lecun_normal")
    (line,) = said(health_of(net, draw(16, 8), labels=jnp.arange(16) % 2))
    assert line.startswith("the gradient vanishes on its way back")
    assert "of dense1 and" in line
    assert "of head" in line


@pytest.mark.thorough
@pytest.mark.parametrize("depth", [2, 8])
def test_a_net_of_relus_with_its_own_initial_weights_is_well(depth: int) -> None:
    assert said(health_of(fnn.models.mlp(2, widths=(8,) * depth), draw(16, 8), labels=jnp.arange(16) % 2)) == []


@pytest.mark.parametrize(
    ("factor", "words"), [(30.0, "explode"), pytest.param(1e-2, "collapse", marks=pytest.mark.thorough)]
)
def test_weights_of_a_wrong_scale_are_seen_forward(factor: float, words: str) -> None:
    x = draw(16, 8)
    net = fnn.models.mlp(2, widths=(8,) * 4, activation=fnn.Softplus if words == "explode" else fnn.Elu(), bias=False)
    params, _ = net.init(jax.random.key(0), x)
    params = jax.tree.map(lambda leaf: factor * leaf, params)
    lines = said(health_of(net, x, params, labels=jnp.arange(16) % 2))
    assert [line for line in lines if line.startswith(f"the activations {words} on their way forward")]


def test_a_gradient_that_grows_on_its_way_back_is_seen() -> None:
    """Each tanh is in its steep middle, and weights of 100 multiply what flows back."""
    net = fnn.serial(a=fnn.Dense(1, bias=False), up=fnn.Dense(1, bias=False), head=fnn.Dense(2, bias=False))
    params = {
        "a": {"kernel": jnp.full((1, 1), 1e-3)},
        "up": {"kernel": jnp.full((1, 1), 1e3)},
        "head": {"kernel": jnp.asarray([[1e3, -1e3]])},
    }
    x = 1e-3 * draw(4, 1)
    lines = said(health_of(net, x, params))
    assert [line for line in lines if line.startswith("the gradient explodes on its way back")]


def test_a_frozen_layer_has_no_gradient() -> None:
    net = fnn.serial(a=fnn.frozen(fnn.Dense(3)), head=fnn.Dense(2))
    found = health_of(net, draw(4, 3))
    assert found["a"].without_gradient == ("a/bias", "a/kernel")
    assert found["head"].without_gradient == ()
    (line,) = said(found)
    assert "reaches a/bias, a/kernel:" in line


def test_a_repeats_blocks_are_told_apart() -> None:
    net = fnn.serial(body=fnn.repeat(fnn.serial(dense=fnn.Dense(3), act=fnn.Relu), 2), head=fnn.Dense(2))
    x = draw(4, 3)
    params, _ = net.init(jax.random.key(0), x)
    kernel = np.asarray(params["body"]["dense"]["kernel"])
    params["body"]["dense"]["bias"] = jnp.asarray([[0.0, 0, 0], [-99, -99, -99]])
    found = health_of(net, x, params)
    assert list(found) == ["body/0/dense", "body/0/act", "body/1/dense", "body/1/act", "head"]
    norms = [np.linalg.norm(kernel[0]), np.sqrt(np.sum(np.square(kernel[1])) + 3 * 99**2)]
    assert [found[f"body/{i}/dense"].parameter_norm for i in range(2)] == pytest.approx(norms, rel=1e-5)
    assert found["body/1/act"].dead == 1
    assert found["body/0/act"].dead != 1
    assert "body/1/dense/kernel" in found["body/1/dense"].without_gradient


@pytest.mark.thorough
def test_a_layer_used_twice_owns_its_parameters_once() -> None:
    wires = {"a": ("same", "x"), "b": ("same", "a"), "c": ("head", "b")}
    net = fnn.graph(wires, same=fnn.serial(dense=fnn.Dense(3)), head=fnn.Dense(2))
    found = health_of(net, draw(4, 3))
    first, second, head = found
    assert (first, head) == ("same/dense", "head")
    assert "#2" in second
    assert found[first].parameter_norm is not None
    assert found[second].parameter_norm is None


def test_parameters_of_what_holds_layers_are_its_own() -> None:
    inner = fnn.serial(dense=fnn.Dense(3))

    def init(key: jax.Array, x: Any, /) -> tuple[Any, Any]:
        params, state = inner.init(key, x)
        return {"inner": params, "scale": jnp.ones(())}, state

    def apply(params: Any, state: Any, x: Any, /, *, train: bool, key: Any = None) -> tuple[Any, Any]:
        y, state = inner.apply(params["inner"], state, x, train=train, key=key)
        return y * params["scale"], state

    net = fnn.serial(scaled=fnn.Layer(init, apply, "scaled"), head=fnn.Dense(2))
    found = health_of(net, draw(4, 3))
    # What "dense" is given is not at its path, "scaled/inner/dense": it belongs to what is known to hold it.
    assert list(found) == ["scaled/dense", "scaled", "head"]
    assert found["scaled/dense"].parameter_norm is None
    assert found["scaled"].parameter_norm is not None


def test_one_layer_alone_and_numbers_that_are_not_finite() -> None:
    found = health_of(fnn.Dense(2), draw(4, 3).at[0, 0].set(jnp.inf))
    assert list(found) == [""]
    assert said(found)[0].startswith("the network: its outputs or gradients are not finite")
