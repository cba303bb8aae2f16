"""`parallel`: each layer has an input of its own."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn

SAME = partial(jax.tree.map, np.testing.assert_array_equal)
LEFT = jax.random.normal(jax.random.key(1), (2, 3))
RIGHT = jax.random.normal(jax.random.key(2), (4, 5))


def test_each_layer_gets_its_own_input(key):
    dense, norm = fnn.Dense(2), fnn.BatchNorm()
    net = fnn.parallel(dense, right=norm)
    params, state = net.init(key, (LEFT, RIGHT))
    assert (set(params), set(state)) == ({"dense1", "right"}, {"right"})
    (a, b), new_state = net.apply(params, state, (LEFT, RIGHT), train=True)
    SAME(a, dense.apply(params["dense1"], {}, LEFT, train=True)[0])
    wanted, moments = norm.apply(params["right"], state["right"], RIGHT, train=True)
    SAME((b, new_state), (wanted, {"right": moments}))


def test_a_list_is_as_good_as_a_tuple(key):
    net = fnn.parallel(fnn.Relu, fnn.Tanh)
    SAME(net.apply({}, {}, [LEFT, RIGHT], train=False)[0], (jnp.maximum(LEFT, 0), jnp.tanh(RIGHT)))


def test_children_have_keys_of_their_own(key):
    params, _ = fnn.parallel(fnn.Dense(3), fnn.Dense(3)).init(key, (LEFT, LEFT))
    assert np.any(params["dense1"]["kernel"] != params["dense2"]["kernel"])
    (a, b), _ = fnn.parallel(fnn.Dropout(), fnn.Dropout()).apply({}, {}, (RIGHT, RIGHT), train=True, key=key)
    assert np.any((a == 0) != (b == 0))


def test_nests_and_feeds_a_branch_of_functions(key):
    net = fnn.serial(
        fnn.parallel(fnn.parallel(fnn.Relu, fnn.Relu), fnn.Tanh),
        fnn.parallel(
            fnn.Layer(lambda key, x: ({}, {}), lambda p, s, x, *, train, key=None: (x[0] + x[1], s), "add"), fnn.Relu
        ),
    )
    (total, rest), _ = net.apply({}, {}, ((LEFT, LEFT), RIGHT), train=False)
    SAME((total, rest), (2 * jnp.maximum(LEFT, 0), jnp.maximum(jnp.tanh(RIGHT), 0)))


@pytest.mark.parametrize("x", [LEFT, (LEFT,), (LEFT, LEFT, LEFT), {"a": LEFT, "b": LEFT}])
def test_another_number_of_inputs_is_refused(key, x):
    net = fnn.parallel(fnn.Dense(2), fnn.Dense(2))
    with pytest.raises(ValueError, match=r"tuple of 2 inputs, one for each of \['dense1', 'dense2'\], got"):
        net.init(key, x)
    params, state = net.init(key, (LEFT, LEFT))
    with pytest.raises(ValueError, match="tuple of 2 inputs"):
        net.apply(params, state, x, train=False)
