"""The lectures' circuits to the last digit, and any other function as `jax.grad` has it."""

import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name

import fnn
from fnn.analysis.circuit import passes
from fnn.analysis.circuit.program import trace


def product(x: Any, y: Any, z: Any) -> Any:
    """`(x + y) z`."""
    q = checkpoint_name(x + y, "q")
    return q * z


def neuron(w0: Any, x0: Any, w1: Any, x1: Any, w2: Any) -> Any:
    """`σ(w0 x0 + w1 x1 + w2)`, written out."""
    return 1 / (1 + jnp.exp(-(w0 * x0 + w1 * x1 + w2)))


def gradients(circuit: fnn.analysis.Circuit, *names: str) -> list[float]:
    found = [circuit[name].gradient for name in names]
    assert all(gradient is not None for gradient in found)
    return [float(gradient) for gradient in found if gradient is not None]


# The lectures' circuits.


def test_a_product_of_a_sum() -> None:
    circuit = fnn.backprop(product, -2.0, 5.0, -4.0)
    assert {name: circuit[name].array.item() for name in "xyzq"} == {"x": -2, "y": 5, "z": -4, "q": 3}
    assert circuit["product"].array == -12
    assert gradients(circuit, "x", "y", "z", "q", "product") == [-4, -4, 3, -4, 1]


def test_the_table_in_the_docstring_is_what_is_printed() -> None:
    def f(x: Any, y: Any, z: Any) -> Any:
        return product(x, y, z)

    assert fnn.backprop.__doc__
    lines = [line.strip() for line in fnn.backprop.__doc__.splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith("value  is"))
    assert str(fnn.backprop(f, -2.0, 5.0, -4.0)).splitlines() == lines[start : start + 6]


def test_a_sigmoid_neuron() -> None:
    circuit = fnn.backprop(neuron, 2.0, -1.0, -3.0, -2.0, -3.0)
    assert f"{circuit['neuron'].array:.2f}" == "0.73"
    got = [f"{gradient:.2f}" for gradient in gradients(circuit, "w0", "x0", "w1", "x1", "w2")]
    assert got == ["-0.20", "0.39", "-0.39", "-0.59", "0.20"]
    forward = [f"{circuit[f'v{i}'].array:.2f}" for i in range(1, 8)]
    assert forward == ["-2.00", "6.00", "4.00", "1.00", "-1.00", "0.37", "1.37"]
    backward = [f"{gradient:.2f}" for gradient in gradients(circuit, *(f"v{i}" for i in range(1, 8)))]
    assert backward == ["0.20", "0.20", "0.20", "0.20", "-0.20", "-0.53", "-0.53"]


def test_every_delta_of_a_2_2_1_network_of_tanh() -> None:
    """`δ_out = (y − t)(1 − y²)` and `δ_j = w_j δ_out (1 − h_j²)`; the gradient of a weight is its input times δ."""
    weights = np.array([[0.4, -0.7], [0.9, 0.3]])  # from each input (rows) to each hidden unit
    biases, out, out_bias = np.array([0.1, -0.2]), np.array([0.8, -1.1]), 0.05
    x, t = np.array([1.5, -0.5]), 0.25

    def network(w11: Any, w12: Any, w21: Any, w22: Any, b1: Any, b2: Any, v1: Any, v2: Any, c: Any, x1: Any, x2: Any):
        a1 = checkpoint_name(w11 * x1 + w21 * x2 + b1, "a1")
        a2 = checkpoint_name(w12 * x1 + w22 * x2 + b2, "a2")
        a = checkpoint_name(v1 * jnp.tanh(a1) + v2 * jnp.tanh(a2) + c, "a")
        return (jnp.tanh(a) - t) ** 2 / 2

    given = [*weights.ravel(), *biases, *out, out_bias, *x]
    circuit = fnn.backprop(network, *map(float, given))
    hidden = np.tanh(x @ weights + biases)
    y = np.tanh(hidden @ out + out_bias)
    delta_out = (y - t) * (1 - y**2)
    delta = out * delta_out * (1 - hidden**2)
    np.testing.assert_allclose(circuit["network"].array, (y - t) ** 2 / 2, rtol=1e-6)
    np.testing.assert_allclose(gradients(circuit, "a", "a1", "a2"), [delta_out, *delta], rtol=1e-6)
    np.testing.assert_allclose(gradients(circuit, "w11", "w12", "w21", "w22"), np.outer(x, delta).ravel(), rtol=1e-6)
    np.testing.assert_allclose(
        gradients(circuit, "b1", "b2", "v1", "v2", "c"), [*delta, *(hidden * delta_out), delta_out], rtol=1e-6
    )
    np.testing.assert_allclose(gradients(circuit, "x1", "x2"), weights @ delta, rtol=1e-6)


# What flows.


def test_a_gradient_is_the_sum_of_what_comes_back_along_the_wires() -> None:
    circuit = fnn.backprop(lambda x: jnp.sin(x) * x + x * 3.0, 0.7)
    (x,) = (i for i, node in enumerate(circuit.elements.nodes) if node.kind == "input")
    parts = sorted(
        float(edge.gradient) for edge in circuit.elements.edges if edge.source == x and edge.gradient is not None
    )
    np.testing.assert_allclose(parts, sorted([0.7 * np.cos(0.7), np.sin(0.7), 3.0]), rtol=1e-6)
    np.testing.assert_allclose(gradients(circuit, "x"), [sum(parts)], rtol=1e-6)
    rows = [line.split() for line in str(circuit).splitlines()]
    assert sorted(row[-1] for row in rows if row[0] == "from") == sorted(f"{part:.4g}" for part in parts)


def test_integers_get_no_gradient_and_unused_numbers_a_zero() -> None:
    circuit = fnn.backprop(lambda table, row, unused: jnp.sum(table[row]), jnp.eye(3), jnp.array(1), 2.0)
    np.testing.assert_array_equal(np.asarray(circuit["table"].gradient), [[0, 0, 0], [1, 1, 1], [0, 0, 0]])
    assert circuit["row"].gradient is None
    assert gradients(circuit, "unused") == [0]


def test_an_array_is_described_by_shape_mean_spread_and_norm() -> None:
    def f(x: Any) -> Any:
        return jnp.sum(jnp.square(x))

    row = str(fnn.backprop(f, jnp.array([[1.0, 2.0], [3.0, 6.0]]))).splitlines()[1]
    assert row.split() == ["x", "input", "(2,", "2)", "3", "±", "1.871", "‖7.071‖", "6", "±", "3.742", "‖14.14‖"]


def wrong_on_purpose() -> Callable[[Any], Any]:
    @jax.custom_vjp
    def f(x: Any) -> Any:
        return jnp.sin(x)

    f.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * 7 * x,))
    return f


def rule_of_its_own() -> Callable[[Any], Any]:
    @jax.custom_jvp
    def f(x: Any) -> Any:
        return jnp.abs(x)

    f.defjvp(lambda primals, tangents: (jnp.abs(primals[0]), 5 * tangents[0]))
    return f


def two_outputs() -> Callable[[Any, Any], Any]:
    @jax.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return jnp.sin(x), jnp.abs(y)

    def rule(primals: Any, tangents: Any) -> Any:
        return f(*primals), (jnp.cos(primals[0]) * tangents[0], tangents[1] / primals[1])

    f.defjvp(rule)
    return f


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "jit in jit": jax.jit(lambda x: jnp.sum(jax.jit(lambda y: jnp.sin(y) * y)(x)) * x[0]),
    "remat": lambda x: jnp.sum(jax.checkpoint(lambda y: jnp.sin(jnp.cos(y)))(x)),
    "a rule of its own in forward mode": lambda x: jnp.sum(rule_of_its_own()(x) * x),
    "a rule of its own in reverse mode": lambda x: jnp.sum(wrong_on_purpose()(x) * x),
    "scan": lambda x: jnp.sum(lax.scan(lambda c, a: (c * a + x, c), x, x)[0]),
    "cond": lambda x: lax.cond(x[0] > 0, lambda y: jnp.sum(y**3), lambda y: jnp.sum(y), x),
    "a loop that is not differentiated": lambda x: (
        jnp.sum(x) * lax.while_loop(lambda c: c < 3.0, lambda c: c * 1.5, lax.stop_gradient(x[1]) + 2)
    ),
    "stop_gradient": lambda x: jnp.sum(lax.stop_gradient(jnp.exp(x)) * x),
    "a gradient inside": lambda x: jnp.sum(jax.grad(lambda y: jnp.sum(jnp.sin(y) * y))(x)),
    "vmap": lambda x: jnp.sum(jax.vmap(jnp.outer, (0, None))(jnp.stack([x, 2 * x]), x)),
    "several outputs": lambda x: sum(jnp.sum(part) * i for i, part in enumerate(jnp.split(x, 3), 1)),
    "sort and choose": lambda x: jnp.sum(jnp.sort(x)[:2] * jnp.where(x[:2] > 0, x[:2], 0.1)),
    "NaN where JAX has NaN": lambda x: jnp.sum(jnp.where(x > 0, jnp.sqrt(x), 0.0)),
    "no NaN where JAX has none": lambda x: jnp.sum(jnp.sign(jnp.log(jnp.abs(x) * 0)) * x),
    "no NaN from an output that nothing reads": lambda x: jnp.sum(two_outputs()(x, x * 0)[0]),
    "complex numbers": lambda x: jnp.sum(jnp.abs(jnp.fft.fft(x)) ** 2),
    "a sum that cancels": lambda x: jnp.sum((x - jnp.mean(x)) / jnp.std(x)),
    "half precision": lambda x: jnp.sum(jnp.tanh(x.astype(jnp.bfloat16)) ** 2).astype(jnp.float32),
    "random numbers": lambda x: jnp.sum(jax.random.normal(jax.random.key(1), x.shape) * x),
    "the input itself": lambda x: x[0] * 0 + jnp.asarray(1.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_has_the_gradient_of_jax(name: str) -> None:
    x = jnp.array([0.5, -0.25, 1.5])
    circuit = fnn.backprop(FUNCTIONS[name], x, open="*")
    wanted, gradient = jax.value_and_grad(FUNCTIONS[name])(x)
    output = next(value for node in circuit.elements.nodes for value in node.outputs if value.name == fnn_name(name))
    np.testing.assert_allclose(output.array, wanted, rtol=1e-5)
    (given,) = (node.outputs[0] for node in circuit.elements.nodes if node.kind == "input")
    rtol = 5e-3 if name == "half precision" else 1e-5  # a compiled program keeps more digits between operations
    np.testing.assert_allclose(np.asarray(given.gradient), gradient, rtol=rtol, atol=2e-6)
    json.dumps(circuit.to_dict(), allow_nan=False)


def fnn_name(name: str) -> str:
    given = getattr(FUNCTIONS[name], "__name__", "")
    return given if given.isidentifier() else "output"


def test_rules_of_their_own_are_one_box() -> None:
    titles = [
        node.title for node in fnn.backprop(FUNCTIONS["a rule of its own in reverse mode"], jnp.ones(3)).elements.nodes
    ]
    assert titles == ["x", "f", "×", "sum"]


def test_a_tree_of_outputs_takes_a_tree_of_cotangents() -> None:
    params = {"w": jnp.array([1.0, 2.0]), "b": jnp.array(0.5)}
    gradient = {"w": jnp.array([0.3, -0.1]), "b": jnp.array(0.7)}
    optimizer = optax.adam(1e-2)
    with jax.numpy_dtype_promotion("standard"):  # optax's own
        # After one step the gradient of an update is not zero, as it is at the first.
        state = optimizer.update({"w": jnp.array([-0.2, 0.4]), "b": jnp.array(0.1)}, optimizer.init(params))[1]

    def update(gradient: Any, state: Any, params: Any) -> Any:
        updates, _ = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates)

    cotangent = {"w": jnp.array([1.0, -2.0]), "b": jnp.array(3.0)}
    with jax.numpy_dtype_promotion("standard"):
        circuit = fnn.backprop(update, gradient, state, params, cotangent=cotangent)
        new, pull = jax.vjp(lambda g, p: update(g, state, p), gradient, params)
    for name in ("w", "b"):
        np.testing.assert_allclose(circuit[f"update/{name}"].array, new[name], rtol=1e-6)
        for argument, wanted in zip(("gradient", "params"), pull(cotangent), strict=True):
            got = np.asarray(circuit[f"{argument}/{name}"].gradient)
            np.testing.assert_allclose(got, wanted[name], rtol=1e-4)
            assert np.all(got != 0)
    assert circuit["state/0/count"].gradient is None
    assert circuit["state/0/mu/w"].gradient is not None


# Networks.


def assert_gradients(circuit: fnn.analysis.Circuit, root: str, wanted: Any) -> None:
    for path, gradient in jax.tree.leaves_with_path(wanted):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        got = np.asarray(circuit[f"{root}/{name}"].gradient)
        np.testing.assert_allclose(got, gradient, rtol=2e-4, atol=2e-5 * float(jnp.max(jnp.abs(gradient))) + 1e-6)


@pytest.mark.thorough
def test_lenet5_with_a_loss(key: jax.Array) -> None:
    images = jax.random.normal(key, (2, 12, 12, 1))
    net = fnn.models.lenet5()
    params, state = net.init(key, images)

    def loss(params: Any, images: Any, labels: Any) -> Any:
        logits, _ = net.apply(params, state, images, train=True)
        return fnn.losses.softmax_cross_entropy(logits, labels).mean()

    labels = jnp.array([3, 7])
    circuit = fnn.backprop(loss, params, images, labels)
    assert_gradients(circuit, "params", jax.jit(jax.grad(loss))(params, images, labels))
    layers = [node.title for node in circuit.elements.nodes if node.kind == "layer"]
    stages = [f"features/{kind}{i}" for i in (1, 2) for kind in ("conv", "act", "pool")]
    head = ["head/dense1", "head/act1", "head/dense2", "head/act2", "head/dense3"]
    assert layers == [*stages, "flatten", *head, "softmax_cross_entropy"]
    conv1 = next(node for node in circuit.elements.nodes if node.title == "features/conv1")
    assert [value.name for value in conv1.parameters] == [
        f"params/features/conv1/{name}" for name in ("kernel", "bias")
    ]


def residual_network(stages: int, blocks: int) -> fnn.Layer:
    """ResNet's plan: a stem, then in stages of growing width blocks of two convolutions, each with a shortcut."""

    def block(features: int, strides: int) -> fnn.Layer:
        body = fnn.serial(
            fnn.Conv(features, 3, strides=strides, bias=False), fnn.BatchNorm(), fnn.Relu,
            fnn.Conv(features, 3, bias=False), fnn.BatchNorm(),
        )  # fmt: skip
        shortcut = fnn.serial(fnn.Conv(features, 1, strides=strides, bias=False), fnn.BatchNorm())
        around = fnn.residual(body, shortcut) if strides > 1 else fnn.residual(body)
        return fnn.serial(add=around, act=fnn.Relu)

    parts = {
        f"stage{i}": fnn.serial(*(block(4 * 2**i, 2 if i and not j else 1) for j in range(blocks)))
        for i in range(stages)
    }
    stem = fnn.serial(fnn.Conv(4, 3, bias=False), fnn.BatchNorm(), fnn.Relu)
    return fnn.serial(stem=stem, **parts, pool=fnn.GlobalAvgPool, head=fnn.Dense(10))


def check_residual_network(key: jax.Array, stages: int, blocks: int) -> None:
    images = jax.random.normal(key, (2, 4 * 2 ** (stages - 1), 8, 3))
    net = residual_network(stages, blocks)
    params, state = net.init(key, images)

    def loss(params: Any, state: Any, images: Any) -> Any:
        logits, new_state = net.apply(params, state, images, train=True)
        return fnn.losses.softmax_cross_entropy(logits, jnp.array([3, 7])).mean(), new_state

    circuit = fnn.backprop(loss, params, state, images, has_aux=True)
    assert_gradients(circuit, "params", jax.jit(jax.grad(loss, has_aux=True))(params, state, images)[0])
    blocks_seen = {
        node.title for node in circuit.fold(depth=2).elements.nodes if node.title.startswith(f"stage{stages - 1}/")
    }
    assert blocks_seen == {f"stage{stages - 1}/serial{i + 1}" for i in range(blocks)}


def test_a_residual_network_with_batch_norm(key: jax.Array) -> None:
    check_residual_network(key, stages=1, blocks=1)


@pytest.mark.thorough
def test_resnet_18(key: jax.Array) -> None:
    check_residual_network(key, stages=4, blocks=2)


# What is refused.


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: fnn.backprop(product, -2, 5, -4), TypeError, r"got int32, int32, int32. Write 2.0 instead of 2."),
        (lambda: fnn.backprop(jnp.sin, jnp.ones(3)), ValueError, r"returns one number, got float32\[3\]. Take a mean"),
        (lambda: fnn.backprop(lambda x: jnp.argmax(x), jnp.ones(3)), TypeError, "returns a floating-point number, got"),
        (lambda: fnn.backprop(jnp.sin, jnp.ones(3), cotangent=1.0), ValueError, r"of shape \(3,\), got \(\)"),
        (lambda: fnn.backprop(jnp.sin, 1.0, cotangent={"a": 1.0}), ValueError, "a cotangent like the output"),
        (lambda: fnn.backprop(jnp.sin, 1.0, has_aux=True), TypeError, r"return \(output, aux\)"),
        (lambda: fnn.backprop(jnp.sin, 1.0)["q"], KeyError, "no value 'q' in this circuit; there are"),
        (lambda: fnn.backprop(jnp.sin, 1.0, depth=-1), ValueError, "depth must be at least 0"),
        (lambda: fnn.backprop(jnp.sin, 1.0, open="conv1"), ValueError, "names no box of this circuit"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(call: Callable[[], Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()


def test_a_gradient_that_is_not_that_of_jax_is_refused() -> None:
    args = (jnp.array([1.0, 2.0, 3.0]), 2.0)

    def f(x: Any, scale: Any) -> Any:
        return jnp.sum(jnp.sin(x) * scale)

    program, _ = trace(f, args, has_aux=False)
    seed = jnp.ones(())
    found = passes.run_passes(program, jax.tree.leaves(args), [seed])
    passes.check_against_jax(f, args, seed, False, program, found)
    number = program.inputs[0]
    found.gradients[number] = found.gradients[number] * np.array([1, 1.001, 1], np.float32)
    with pytest.raises(FloatingPointError, match=r"at 'x'\[1\], jax.vjp of the whole function -0.83"):
        passes.check_against_jax(f, args, seed, False, program, found)
