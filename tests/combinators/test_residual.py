"""`residual`: a shortcut around a body."""

from functools import partial

import jax
import numpy as np
import pytest

import fnn

SAME = partial(jax.tree.map, np.testing.assert_array_equal)
X = jax.random.normal(jax.random.key(1), (2, 4, 4, 3))


def test_adds_what_the_body_computes(key):
    body = fnn.serial(fnn.Conv(3, 3, bias=False), fnn.BatchNorm(), fnn.Relu)
    net = fnn.residual(body)
    params, state = net.init(key, X)
    assert (set(params), set(state)) == ({"body"}, {"body"})
    y, new_state = net.apply(params, state, X, train=True)
    wanted, moments = body.apply(params["body"], state["body"], X, train=True)
    SAME((y, new_state), (X + wanted, {"body": moments}))
    SAME(net.apply(params, new_state, X, train=False)[1], new_state)


def test_projects_where_the_body_changes_the_shape(key):
    body, shortcut = fnn.Conv(5, 3, strides=2), fnn.serial(fnn.Conv(5, 1, strides=2), fnn.BatchNorm())
    net = fnn.residual(body, shortcut=shortcut)
    params, state = net.init(key, X)
    y, new_state = net.apply(params, state, X, train=True)
    around, moments = shortcut.apply(params["shortcut"], state["shortcut"], X, train=True)
    SAME(y, body.apply(params["body"], {}, X, train=True)[0] + around)
    SAME(new_state, {"shortcut": moments})


def test_body_and_shortcut_have_keys_of_their_own(key):
    params, _ = fnn.residual(fnn.Dense(3), fnn.Dense(3)).init(key, X)
    assert np.any(params["body"]["kernel"] != params["shortcut"]["kernel"])
    y, _ = fnn.residual(fnn.Dropout(), fnn.Dropout()).apply({}, {}, X, train=True, key=key)
    assert len(np.unique(np.round(y / X))) == 3  # 0, 2 or 4 times x: one mask for both would never give 2


@pytest.mark.parametrize("body", [fnn.Conv(4, 3), fnn.Conv(1, 3), fnn.Conv(3, 3, strides=2), fnn.GlobalAvgPool])
def test_a_body_that_changes_the_shape_needs_a_projection(key, body):
    """Even one whose output would broadcast."""
    net = fnn.residual(body)
    with pytest.raises(ValueError, match=r"residual adds arrays of one shape, got .*shortcut that projects.*Conv\("):
        net.init(key, X)


def test_a_pair_of_inputs_is_refused(key):
    """Python would join two tuples end to end."""
    net = fnn.residual(fnn.parallel(fnn.Relu, fnn.Tanh), shortcut=fnn.parallel(fnn.Relu, fnn.Tanh))
    with pytest.raises(ValueError, match="residual adds"):
        net.init(key, (X, X))


def test_the_shapes_of_nested_combinators_are_found_once(key):
    """Not once for each level above: those of a deep network would never be found."""
    traced = []

    def apply(params, state, x, /, *, train, key=None):
        traced.append(x.shape)
        return x, state

    net = fnn.Layer(lambda key, x: ({}, {}), apply, "counted")
    for wrap in (fnn.residual, fnn.serial, fnn.branch, lambda body: fnn.graph({"y": ("body", "x")}, body=body)) * 2:
        net = wrap(net)
    jax.eval_shape(net.init, key, X)
    assert len(traced) == 1


def test_what_was_initialized_last_tells_what_a_layer_makes(key):
    traced = []
    other, dense = fnn.serial(fnn.Dense(2)), fnn.Dense(3)

    def apply(*args, **options):
        traced.append(1)
        return dense.apply(*args, **options)

    inner = fnn.serial(dense._replace(apply=apply))

    def init(key, x, /):
        other.init(key, x)  # thrown away
        return inner.init(key, x)

    net = fnn.serial(fnn.Layer(init, inner.apply, "mine"), fnn.Dense(4))
    params, _ = net.init(key, X)
    assert params["dense1"]["kernel"].shape == (3, 4)
    assert len(traced) == 1
