"""`graph`: any acyclic wiring, layers used more than once, and wirings that are refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn

SAME = partial(jax.tree.map, np.testing.assert_array_equal)
X = jax.random.normal(jax.random.key(1), (4, 3))
LEFT, RIGHT = X, jax.random.normal(jax.random.key(2), (4, 3)) + 1


def diamond(order=("h", "l", "r", "y")):
    wires = {"h": ("stem", "x"), "l": ("dense", "h"), "r": ("norm", "h"), "y": (jnp.subtract, "l", "r")}
    return fnn.graph({name: wires[name] for name in order}, stem=fnn.Dense(5), dense=fnn.Dense(5), norm=fnn.BatchNorm())


def test_a_graph_is_its_layers_by_hand(key):
    net = diamond()
    params, state = net.init(key, X)
    assert (set(params), set(state)) == ({"stem", "dense", "norm"}, {"norm"})
    y, new_state = net.apply(params, state, X, train=True)
    h, _ = fnn.Dense(5).apply(params["stem"], {}, X, train=True)
    left, _ = fnn.Dense(5).apply(params["dense"], {}, h, train=True)
    right, moments = fnn.BatchNorm().apply(params["norm"], state["norm"], h, train=True)
    SAME((y, new_state), (left - right, {"norm": moments}))


def test_the_order_of_the_wires_does_not_matter(key):
    params, state = diamond().init(key, X)
    wanted = diamond().apply(params, state, X, train=True)
    for order in (("y", "r", "l", "h"), ("l", "y", "h", "r")):
        net = diamond(order)
        SAME(net.init(key, X), (params, state))
        SAME(net.apply(params, state, X, train=True), wanted)


def test_plain_functions_and_layers_of_several_inputs(key):
    add_all = fnn.Layer(lambda key, x: ({}, {}), lambda p, s, x, *, train, key=None: (x[0] + x[1] + x[2], s), "add_all")
    wires = {"a": (jnp.sin, "x"), "b": (jnp.multiply, "a", "x"), "y": ("all", "x", "a", "b")}
    net = fnn.graph(wires, all=add_all)
    y, _ = net.apply(*net.init(key, X), X, train=False)
    SAME(y, X + jnp.sin(X) + jnp.sin(X) * X)
    only_functions = fnn.graph({"y": (jnp.cos, "x")})
    SAME(only_functions.apply(*only_functions.init(key, X), X, train=False), (jnp.cos(X), {}))


def test_several_inputs_and_outputs(key):
    wires = {"sum": (jnp.add, "left", "right"), "y": ("dense", "sum")}
    net = fnn.graph(wires, inputs=("left", "right"), output=("y", "sum"), dense=fnn.Dense(2))
    params, state = net.init(key, (LEFT, RIGHT))
    (y, total), _ = net.apply(params, state, (LEFT, RIGHT), train=False)
    SAME(total, LEFT + RIGHT)
    SAME(y, fnn.Dense(2).apply(params["dense"], {}, total, train=False)[0])
    with pytest.raises(ValueError, match=r"tuple of inputs \('left', 'right'\), got \(4, 3\)"):
        net.apply(params, state, LEFT, train=False)
    with pytest.raises(ValueError, match="tuple of inputs"):
        net.init(key, (LEFT, RIGHT, LEFT))


# A layer used twice.


def twice(encode, first="a"):
    wires = {"a": ("encode", "left"), "b": ("encode", "right")}
    ordered = {first: wires[first]} | wires
    return fnn.graph(ordered, inputs=("left", "right"), output=("a", "b"), encode=encode)


def test_a_layer_used_twice_has_one_set_of_parameters_and_the_sum_of_both_gradients(key):
    net = twice(fnn.Dense(2))
    params, state = net.init(key, (LEFT, RIGHT))
    assert set(params) == {"encode"}
    SAME(params["encode"], fnn.serial(encode=fnn.Dense(2)).init(key, LEFT)[0]["encode"])

    def loss(params):
        (a, b), _ = net.apply(params, state, (LEFT, RIGHT), train=True)
        return jnp.sum(a**2) + jnp.sum(jnp.sin(b))

    gradient = jax.grad(loss)(params)["encode"]
    kernel, bias = params["encode"]["kernel"], params["encode"]["bias"][None]
    a, b = LEFT @ kernel + bias, RIGHT @ kernel + bias
    np.testing.assert_allclose(gradient["kernel"], LEFT.T @ (2 * a) + RIGHT.T @ jnp.cos(b), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient["bias"], (2 * a).sum(0) + jnp.cos(b).sum(0), rtol=1e-5, atol=1e-5)


def test_the_state_of_a_layer_used_twice_passes_from_use_to_use(key):
    norm = fnn.BatchNorm()
    net = fnn.graph({"h": ("norm", "x"), "y": ("norm", "h")}, norm=norm)
    params, state = net.init(key, X)
    y, new_state = net.apply(params, state, X, train=True)
    h, once = norm.apply(params["norm"], state["norm"], X, train=True)
    wanted, again = norm.apply(params["norm"], once, h, train=True)
    SAME((y, new_state), (wanted, {"norm": again}))
    SAME(net.apply(params, new_state, X, train=False)[1], new_state)


def test_the_order_of_the_wires_does_not_matter_for_the_state_of_a_layer_used_twice(key):
    """Neither use reads the other's value, so that nothing but the order of the wires could order them."""
    net, turned = twice(fnn.BatchNorm(), first="a"), twice(fnn.BatchNorm(), first="b")
    params, state = net.init(key, (LEFT, RIGHT))
    _, wanted = net.apply(params, state, (LEFT, RIGHT), train=True)
    _, got = turned.apply(params, state, (LEFT, RIGHT), train=True)
    SAME(got, wanted)


def test_each_use_has_a_key_of_its_own(key):
    ones = jnp.ones((4, 50))
    (a, b), _ = twice(fnn.Dropout()).apply({}, {}, (ones, ones), train=True, key=key)
    assert np.any(a != b)
    (c, d), _ = twice(fnn.Dropout(), first="b").apply({}, {}, (ones, ones), train=True, key=key)
    SAME((c, d), (a, b))


def test_layers_have_keys_of_their_own(key):
    wires = {"h": ("one", "x"), "y": ("two", "h")}
    params, _ = fnn.graph(wires, one=fnn.Dense(3), two=fnn.Dense(3)).init(key, X)
    assert np.any(params["one"]["kernel"] != params["two"]["kernel"])


def test_a_second_use_on_another_shape_is_refused(key):
    net = twice(fnn.Dense(2))
    with pytest.raises(ValueError, match=r"Dense expects parameters kernel \(5, 2\)") as caught:
        net.init(key, (LEFT, jnp.ones((4, 5))))
    assert "  in layer 'encode', given x of shape (4, 5)" in caught.value.__notes__


# Wirings that are refused, before any input is seen.


@pytest.mark.parametrize(
    ("wires", "options", "text"),
    [
        ({"a": (jnp.sin, "b"), "b": (jnp.sin, "a")}, {}, "acyclic, but these feed each other: .*a.*"),
        ({"a": (jnp.add, "a", "x")}, {}, "acyclic"),
        ({"y": ("conv", "x")}, {"dense": fnn.Dense(2)}, r"names layer 'conv', but the layers are \['dense'\]"),
        ({"y": (jnp.sin, "h")}, {}, "wire 'y' reads 'h', which nothing makes"),
        ({"y": (jnp.sin, "x")}, {"dense": fnn.Dense(2)}, r"layers that no wire uses: \['dense'\]"),
        ({"y": (jnp.sin, "x"), "z": (jnp.cos, "x")}, {}, r"2 values that nothing reads, \['y', 'z'\].*output="),
        ({"y": (jnp.sin, "x"), "z": (jnp.cos, "x")}, {"output": "y"}, r"nothing reads: \['z'\]"),
        ({"y": (jnp.sin, "x")}, {"inputs": ("x", "extra")}, r"nothing reads: \['extra'\]"),
        ({"y": (jnp.sin, "x")}, {"output": "logits"}, r"cannot give the output \['logits'\].*\['y'\]"),
        ({"x": (jnp.sin, "x")}, {}, "cannot make 'x': it is an input"),
        ({"y": (jnp.sin,)}, {}, "expects wire 'y' as"),
        ({"y": "dense"}, {"dense": fnn.Dense(2)}, "expects wire 'y' as"),
        ({}, {}, "0 values that nothing reads"),
        ({"y": ("a/b", "x")}, {"a/b": fnn.Relu}, "cannot name a layer 'a/b'"),
    ],
)
def test_a_wiring_that_makes_no_sense_is_refused(wires, options, text):
    with pytest.raises(ValueError, match=text):
        fnn.graph(wires, **options)
