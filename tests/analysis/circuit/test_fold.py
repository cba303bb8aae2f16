"""What is one box, what is open, and what everything is called."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn


def loss_of(net: fnn.Layer, key: jax.Array, x: Any) -> fnn.analysis.Circuit:
    params, state = net.init(key, x)

    def loss(params: Any, x: Any) -> Any:
        y, _ = net.apply(params, state, x, train=False)
        return sum((jnp.sum(leaf) for leaf in jax.tree.leaves(y)), jnp.float32(0))

    return fnn.backprop(loss, params, x)


def titles(circuit: fnn.analysis.Circuit, kind: str = "layer") -> list[str]:
    return [node.title for node in circuit.elements.nodes if node.kind == kind]


@pytest.fixture(scope="module")
def network() -> fnn.analysis.Circuit:
    body = fnn.residual(fnn.serial(fnn.Dense(4), fnn.Tanh))
    net = fnn.serial(stem=fnn.Dense(4), body=body, head=fnn.Dense(2))
    return loss_of(net, jax.random.key(0), jnp.ones((2, 3)))


INNERMOST = ["stem", "body/body/dense1", "body/body/tanh1", "head"]


@pytest.mark.parametrize(
    ("depth", "layers"),
    [
        (None, INNERMOST),
        (0, ["loss"]),
        (1, ["stem", "body", "head"]),
        (2, ["stem", "body/body", "head"]),
        (3, INNERMOST),
        (9, INNERMOST),
    ],
)
def test_depth(network: fnn.analysis.Circuit, depth: int | None, layers: list[str]) -> None:
    assert titles(network.fold(depth)) == layers


@pytest.mark.parametrize(
    ("depth", "opened", "layers"),
    [
        (None, "stem", INNERMOST[1:]),
        (None, "body/body/*", ["stem", "head"]),
        (1, "body", ["stem", "body/body", "head"]),
        (1, ["head", "body/body"], ["stem", "body/body/dense1", "body/body/tanh1"]),
        (0, "stem", ["body", "head"]),
        (None, "*", []),
    ],
)
def test_what_is_opened(
    network: fnn.analysis.Circuit, depth: int | None, opened: str | Iterable[str], layers: list[str]
) -> None:
    assert titles(network.fold(depth, opened)) == layers


def test_folding_changes_no_number(network: fnn.analysis.Circuit) -> None:
    every = network.fold(open="*")
    names = {value.name for node in network.elements.nodes for value in (*node.outputs, *node.parameters)}
    assert {"params/stem/kernel", "params/body/body/dense1/bias", "x", "loss", "stem", "head"} <= names
    for name in names - {"stem", "head", "body/body/dense1", "body/body/tanh1"}:
        if not name.startswith("v"):
            np.testing.assert_array_equal(every[name].array, network[name].array)
            np.testing.assert_array_equal(np.asarray(every[name].gradient), np.asarray(network[name].gradient))
    # The residual's sum reads the stem on two ways, and both bring a gradient back.
    stem = next(i for i, node in enumerate(network.elements.nodes) if node.title == "stem")
    parts = [edge.gradient for edge in network.elements.edges if edge.source == stem]
    assert len(parts) == 2
    np.testing.assert_allclose(sum(np.asarray(part) for part in parts), np.asarray(network["stem"].gradient), rtol=1e-6)
    whole = network.fold(depth=0).elements
    assert [node.kind for node in whole.nodes] == ["input", "layer"]
    assert len(whole.nodes[1].parameters) == 6


def test_a_second_turn_of_one_layer_is_a_box_of_its_own() -> None:
    twice = fnn.graph({"a": ("same", "x"), "b": ("same", "a")}, same=fnn.serial(fnn.Dense(3)))
    circuit = loss_of(twice, jax.random.key(0), jnp.ones((2, 3)))
    assert titles(circuit) == ["same/dense1", "same/dense1#2"]
    # Both read the parameters, which therefore stand outside, and whose gradient is the sum of two.
    kernel = next(i for i, node in enumerate(circuit.elements.nodes) if node.title == "params/same/dense1/kernel")
    parts = [np.asarray(edge.gradient) for edge in circuit.elements.edges if edge.source == kernel]
    assert len(parts) == 2
    np.testing.assert_allclose(parts[0] + parts[1], np.asarray(circuit["params/same/dense1/kernel"].gradient))


def test_functions_under_jit_and_named_scopes_are_boxes_and_those_around_layers_are_not() -> None:
    @jax.jit
    def inner(x: Any) -> Any:
        return jnp.sin(x) * jnp.cos(x)

    @jax.jit
    def whole(x: Any) -> Any:
        with jax.named_scope("mine"):
            y = inner(x) + 1
        return inner(y) * y

    circuit = fnn.backprop(whole, 0.5)
    assert titles(circuit) == ["mine", "inner"]
    assert titles(circuit.fold(open="mine")) == ["mine/inner", "inner"]
    assert titles(circuit.fold(open="*")) == []
    assert [node.title for node in circuit.fold(open="mine").elements.nodes] == ["x", "mine/inner", "+ 1", "inner", "×"]


def test_constants_are_shown_with_what_reads_them() -> None:
    table = jnp.arange(3.0)
    circuit = fnn.backprop(lambda x: jnp.sum(x * table) * 2.0, jnp.ones(3))
    assert titles(circuit, "constant") == ["constant1"]
    np.testing.assert_array_equal(circuit["constant1"].array, table)
    assert circuit["constant1"].gradient is None
    assert titles(circuit, "operation") == ["×", "sum", "× 2"]
    assert [node.formula for node in circuit.elements.nodes][2:] == ["x × constant1", "sum(v1)", "v2 × 2"]


def test_what_comes_back_from_a_box_is_the_sum_over_all_its_operations() -> None:
    def f(x: Any) -> Any:
        with jax.named_scope("twice"):
            y = jnp.sin(x) * jnp.exp(2.0 * x)
        return y + x * x

    circuit = fnn.backprop(f, 0.5)
    (x,) = (i for i, node in enumerate(circuit.elements.nodes) if node.kind == "input")
    got = {
        circuit.elements.nodes[edge.target].title: float(edge.gradient)
        for edge in circuit.elements.edges
        if edge.source == x and edge.gradient is not None
    }
    slope = np.exp(1.0) * (np.cos(0.5) + 2 * np.sin(0.5))
    assert got == {"twice": pytest.approx(slope, rel=1e-6), "×": pytest.approx(1.0)}
    assert float(np.asarray(circuit["x"].gradient)) == pytest.approx(slope + 1, rel=1e-6)
