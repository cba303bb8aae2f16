"""`branch`: several layers read one input, and what they give is joined."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn

SAME = partial(jax.tree.map, np.testing.assert_array_equal)
X = jax.random.normal(jax.random.key(1), (2, 4, 4, 3))


def parts(key, join):
    """A branch of two and what each of the two gives by itself."""
    conv, norm = fnn.Conv(3, 3), fnn.BatchNorm()
    net = fnn.branch(conv, norm=norm, join=join)
    params, state = net.init(key, X)
    y, new_state = net.apply(params, state, X, train=True)
    a, _ = conv.apply(params["conv1"], {}, X, train=True)
    b, moments = norm.apply(params["norm"], state["norm"], X, train=True)
    SAME(new_state, {"norm": moments})
    return y, a, b


def test_concatenates_along_the_last_axis_in_the_order_given(key):
    y, a, b = parts(key, "concatenate")
    SAME(y, jnp.concatenate([a, b], axis=-1))


def test_sums(key):
    y, a, b = parts(key, "sum")
    SAME(y, a + b)


def test_joins_with_any_function_of_the_outputs(key):
    y, a, b = parts(key, lambda outputs: outputs[0] * 2 - outputs[1])
    SAME(y, a * 2 - b)


def test_keeps_the_outputs_apart_as_a_tuple(key):
    y, a, b = parts(key, tuple)
    assert isinstance(y, tuple)
    SAME(y, (a, b))


def test_concatenates_different_widths_and_more_than_two(key):
    net = fnn.branch(fnn.Conv(1, 1), fnn.Conv(2, 3), fnn.Identity, fnn.MaxPool(3, strides=1, padding="SAME"))
    y, _ = net.apply(*net.init(key, X), X, train=False)
    assert y.shape == (2, 4, 4, 1 + 2 + 3 + 3)
    SAME(y[..., 3:6], X)


def test_init_too_joins_in_the_order_given(key):
    """JAX sorts the keys of a dict, so names out of alphabetical order could reach the join in another one."""
    net = fnn.branch(z=fnn.Dense(2), a=fnn.Dense(1), join=lambda outputs: outputs[0] @ jnp.ones((2, 5)))
    y, _ = net.apply(*net.init(key, X), X, train=False)
    assert y.shape == (2, 4, 4, 5)


def test_children_have_keys_of_their_own(key):
    params, _ = fnn.branch(fnn.Conv(3, 3), fnn.Conv(3, 3)).init(key, X)
    assert np.any(params["conv1"]["kernel"] != params["conv2"]["kernel"])
    (a, b), _ = fnn.branch(fnn.Dropout(), fnn.Dropout(), join=tuple).apply({}, {}, X, train=True, key=key)
    assert np.any((a == 0) != (b == 0))


def test_outputs_of_different_places_are_not_concatenated(key):
    net = fnn.branch(fnn.Conv(3, 3), fnn.Conv(3, 3, strides=2))
    with pytest.raises(
        ValueError, match=r"all other axes must agree, got \{conv1: \(2, 4, 4, 3\), conv2: \(2, 2, 2, 3\)"
    ):
        net.init(key, X)


def test_outputs_of_different_shapes_are_not_summed(key):
    """Not even where one would broadcast to the other."""
    net = fnn.branch(fnn.Conv(3, 3), fnn.Conv(1, 3), join="sum")
    with pytest.raises(ValueError, match=r"branch sums arrays of one shape, got \{conv1: .*, conv2: .*\}"):
        net.init(key, X)


def test_tuples_of_outputs_are_not_summed(key):
    """Python would join two tuples end to end."""
    pair = fnn.branch(fnn.Relu, fnn.Tanh, join=tuple)
    with pytest.raises(ValueError, match="branch sums"):
        fnn.branch(a=pair, b=pair, join="sum").init(key, X)


@pytest.mark.parametrize("join", ["mean", None, 0])
def test_an_unknown_join_is_refused(join):
    with pytest.raises(ValueError, match="join='concatenate', 'sum' or a function"):
        fnn.branch(fnn.Relu, join=join)
