"""`repeat`: a scan over stacked blocks equals the blocks one after another."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn

X = jax.random.normal(jax.random.key(1), (4, 5))
BLOCK = fnn.residual(fnn.serial(fnn.Dense(5), fnn.BatchNorm(), fnn.Tanh, fnn.Dropout(0.3)))
TIMES = 3

SAME = partial(jax.tree.map, np.testing.assert_array_equal)
CLOSE = partial(jax.tree.map, partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6))


def at(tree, i):
    return jax.tree.map(lambda leaf: leaf[i], tree)


def by_hand(params, state, x, *, train, key=None):
    states = []
    for i in range(TIMES):
        own = None if key is None else jax.random.fold_in(key, i)
        x, block_state = BLOCK.apply(at(params, i), at(state, i), x, train=train, key=own)
        states.append(block_state)
    return x, jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


@pytest.fixture(params=[False, True], ids=["scan", "unrolled"])
def net(request):
    return fnn.repeat(BLOCK, TIMES, unroll=request.param)


def test_parameters_are_the_blocks_stacked(key, net):
    params, state = net.init(key, X)
    for i in range(TIMES):
        CLOSE(at((params, state), i), BLOCK.init(jax.random.fold_in(key, i), X))
    kernels = params["body"]["dense1"]["kernel"]
    assert kernels.shape == (TIMES, 5, 5)
    assert len({kernel.tobytes() for kernel in np.asarray(kernels)}) == TIMES


@pytest.mark.parametrize("train", [False, True])
def test_values_and_state_equal_a_loop(key, net, train):
    params, state = net.init(key, X)
    _, state = net.apply(params, state, X, train=True, key=key)  # moments that are no longer 0 and 1
    got = net.apply(params, state, X, train=train, key=key)
    CLOSE(got, by_hand(params, state, X, train=train, key=key))
    if not train:
        SAME(got[1], state)


def test_gradients_equal_a_loops(key, net):
    params, state = net.init(key, X)

    def loss(params, x, apply):
        y = apply(params, state, x, train=True, key=key)[0]
        # Weighted: after a BatchNorm the plain sum of squares hardly depends on anything.
        return jnp.sum(jnp.square(y) * jnp.arange(y.size, dtype=y.dtype).reshape(y.shape) / y.size)

    CLOSE(*(jax.jit(jax.grad(partial(loss, apply=apply), (0, 1)))(params, X) for apply in (net.apply, by_hand)))


def test_each_block_drops_by_itself(key):
    net = fnn.repeat(fnn.Dropout(0.5), 2)
    y, _ = net.apply({}, {}, jnp.ones((4, 50)), train=True, key=key)
    assert set(np.unique(y)) == {0, 4}
    assert 0.1 < np.mean(y == 4) < 0.4  # a quarter; one mask twice would keep a half


def test_a_scan_traces_the_block_once(key):
    traced = []
    block = fnn.elementwise(lambda x: traced.append(1) or 2 * x, name="counted")
    for times in (2, 20):
        traced.clear()
        y, _ = fnn.repeat(block, times).apply({}, {}, X, train=False)
        SAME(y, 2.0**times * X)
        assert len(traced) == 1


def test_once_is_the_block(key):
    net = fnn.repeat(fnn.Dense(5), 1)
    params, state = net.init(key, X)
    SAME(net.apply(params, state, X, train=False)[0], fnn.Dense(5).apply(at(params, 0), {}, X, train=False)[0])


def test_a_block_that_changes_the_shape_is_refused(key):
    with pytest.raises(ValueError, match=r"must keep its shape: \(4, 5\) became \(4, 3\)"):
        fnn.repeat(fnn.Dense(3), 2).init(key, X)
    halve = fnn.repeat(fnn.Subsample(2), 2)
    with pytest.raises(ValueError, match=r"\(2, 4, 3\) became \(2, 2, 3\)"):
        halve.apply({}, {}, jnp.ones((2, 4, 3)), train=False)


def test_a_block_that_changes_the_dtype_is_refused_and_the_error_names_both(key):
    block = fnn.stateless(lambda key, x: {}, lambda params, x: x.astype(jnp.bfloat16), name="narrow")
    with pytest.raises(ValueError, match=r"float32.*bfloat16"):
        fnn.repeat(block, 2).init(key, X)


def test_a_stack_of_another_height_is_refused(key, net):
    params, state = net.init(key, X)
    taller, taller_state = fnn.repeat(BLOCK, TIMES + 1).init(key, X)
    for trees in ((taller, state), (params, taller_state), (at(params, 0), state)):
        with pytest.raises(ValueError, match="stacked 3 high, got an array of shape"):
            net.apply(*trees, X, train=False)


def test_an_unknown_entry_in_the_stack_is_refused(key, net):
    params, state = net.init(key, X)
    with pytest.raises(ValueError, match="unknown"):
        net.apply(params | {"unknown": jnp.ones((TIMES, 2))}, state, X, train=False)


@pytest.mark.parametrize("times", [0, -1, 2.0, "3"])
def test_fewer_than_one_block_is_refused(times):
    with pytest.raises(ValueError, match="times as an integer of at least 1"):
        fnn.repeat(fnn.Relu, times)
