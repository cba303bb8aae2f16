"""`remat`, `frozen`, `evaluating`, `mixed_precision`: one layer run in another way, its parameters where they were."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn

X = jax.random.normal(jax.random.key(1), (4, 3))
NET = fnn.serial(fnn.Dense(5), fnn.BatchNorm(), fnn.Tanh, fnn.Dropout(0.3), fnn.Dense(2))

SAME: Any = partial(jax.tree.map, np.testing.assert_array_equal)
CLOSE = partial(jax.tree.map, partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6))


@pytest.fixture
def trees(key):
    return NET.init(key, X)


def gradients(net, params, state, x=X):
    """Of the parameters and of the input, in training."""

    def loss(params, x):
        y, _ = net.apply(params, state, x, train=True, key=jax.random.key(5))
        return jnp.sum(jnp.square(y))

    return jax.grad(loss, (0, 1))(params, x)


@pytest.mark.parametrize("wrap", [fnn.remat, fnn.frozen, fnn.evaluating, fnn.mixed_precision])
def test_parameters_keep_their_places_names_and_values(key, trees, wrap):
    SAME(wrap(NET).init(key, X), trees)
    assert wrap(NET).name == NET.name


@pytest.mark.parametrize("wrap", [fnn.remat, fnn.frozen])
@pytest.mark.parametrize("train", [False, True])
def test_remat_and_frozen_change_no_value(key, trees, wrap, train):
    params, state = trees
    CLOSE(wrap(NET).apply(params, state, X, train=train, key=key), NET.apply(params, state, X, train=train, key=key))


# remat


def test_remat_changes_no_gradient(trees):
    CLOSE(gradients(fnn.remat(NET), *trees), gradients(NET, *trees))


def test_remat_computes_again_in_the_backward_pass(trees):
    def text(net):
        return str(jax.make_jaxpr(partial(gradients, net))(*trees))

    assert "checkpoint" in text(fnn.remat(NET)) or "remat" in text(fnn.remat(NET))
    assert "checkpoint" not in text(NET)
    assert "remat" not in text(NET)
    keep_all = fnn.remat(NET, jax.checkpoint_policies.everything_saveable)
    assert text(fnn.remat(NET)).count("tanh") > text(keep_all).count("tanh")


@pytest.mark.parametrize(
    ("policy", "convolutions", "products"),
    [
        (None, 2, 2),
        (jax.checkpoint_policies.nothing_saveable, 2, 2),
        (jax.checkpoint_policies.dots_saveable, 1, 1),
        (jax.checkpoint_policies.dots_with_no_batch_dims_saveable, 2, 1),  # it does not speak of convolutions
    ],
)
def test_remat_keeps_what_a_policy_keeps(policy: Any, convolutions: int, products: int, key: jax.Array) -> None:
    inner = fnn.serial(fnn.Conv(5, 3), fnn.Tanh, fnn.Flatten, fnn.Dense(6), fnn.Tanh)
    net, x = fnn.serial(fnn.remat(inner, policy), fnn.Dense(1)), jnp.ones((2, 4, 4, 3))
    params, state = net.init(key, x)
    program = str(jax.make_jaxpr(partial(gradients, net))(params, state, x))
    assert program.count("fnn_convolve[") == convolutions
    assert program.count("fnn_product ") == products + 1  # and the layer after, which is not computed again


def test_a_policy_is_asked_of_what_computes_nothing(key: jax.Array) -> None:
    net, x = fnn.remat(fnn.Dense(3), jax.checkpoint_policies.dots_saveable), jnp.ones(4)  # one bias for one sample
    SAME(gradients(net, *net.init(key, x), x), gradients(fnn.Dense(3), *net.init(key, x), x))


# evaluating


def test_evaluating_is_evaluation_in_both_modes(key: jax.Array, trees: Any) -> None:
    params, state = trees
    wanted = NET.apply(params, state, X, train=False)
    for train in (False, True):
        SAME(fnn.evaluating(NET).apply(params, state, X, train=train, key=key), wanted)


def test_evaluating_lets_gradients_pass(trees):
    params, state = trees
    of_params, of_x = gradients(fnn.evaluating(NET), params, state)

    def loss(params, x):
        return jnp.sum(jnp.square(NET.apply(params, state, x, train=False)[0]))

    CLOSE((of_params, of_x), jax.grad(loss, (0, 1))(params, X))


# frozen


def test_frozen_stops_the_gradient_of_the_parameters_only(trees):
    of_params, of_x = gradients(fnn.frozen(NET), *trees)
    SAME(of_params, jax.tree.map(jnp.zeros_like, trees[0]))
    CLOSE(of_x, gradients(NET, *trees)[1])
    assert np.any(of_x != 0)


def test_frozen_inside_a_network_leaves_the_rest_to_learn(key):
    net = fnn.serial(features=fnn.frozen(fnn.Dense(4)), head=fnn.Dense(2))
    of_params, _ = gradients(net, *net.init(key, X))
    assert not np.any(of_params["features"]["kernel"])
    assert np.any(of_params["head"]["kernel"])


# mixed_precision


def spy(seen):
    """A layer that notes the dtype of what it is given."""

    def apply(params, x):
        seen.append(x.dtype)
        return x * params["scale"].astype(x.dtype)[None]

    return fnn.stateless(lambda key, x: {"scale": jnp.ones(x.shape[-1:], jnp.float32)}, apply, name="spy")


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_mixed_precision_computes_in_the_narrow_type_and_learns_in_float32(key, dtype):
    seen = []
    net = fnn.mixed_precision(fnn.serial(fnn.Dense(5), spy(seen), fnn.Dense(2), fnn.BatchNorm(), spy(seen)), dtype)
    params, state = net.init(key, X)
    y, new_state = net.apply(params, state, X, train=True)
    assert set(seen) == {jnp.dtype(dtype)}
    assert y.dtype == jnp.float32
    of_params, of_x = gradients(net, params, state)
    kept = jax.tree.leaves((params, state, new_state, of_params, of_x))
    assert {leaf.dtype for leaf in kept} == {jnp.dtype(jnp.float32)}
    assert np.any(of_params["dense1"]["kernel"] != 0)


def test_mixed_precision_rounds_and_nothing_more(trees):
    params, state = trees
    exact, _ = NET.apply(params, state, X, train=False)
    rounded, _ = fnn.mixed_precision(NET).apply(params, state, X, train=False)
    np.testing.assert_allclose(rounded, exact, rtol=0.05, atol=0.05)
    assert np.any(rounded != exact)
    SAME(rounded, NET.apply(params, state, X.astype(jnp.bfloat16), train=False)[0].astype(jnp.float32))


@pytest.mark.parametrize("outside", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_mixed_precision_returns_the_inputs_dtype(trees, outside):
    params, state = trees
    y, _ = fnn.mixed_precision(NET).apply(params, state, X.astype(outside), train=False)
    assert y.dtype == outside


def test_mixed_precision_takes_and_gives_trees(key):
    seen = []
    net = fnn.mixed_precision(fnn.parallel(spy(seen), fnn.parallel(spy(seen), fnn.Relu)))
    x = (X, (2 * X, X))
    y, _ = net.apply(*net.init(key, x), x, train=False)
    assert jax.tree.structure(y) == jax.tree.structure(x)
    assert {leaf.dtype for leaf in jax.tree.leaves(y)} == {jnp.dtype(jnp.float32)}
    assert set(seen) == {jnp.dtype(jnp.bfloat16)}


def lookup():
    """An embedding: integers in, floating-point vectors out."""

    def apply(params, x):
        weights, ids = x if isinstance(x, tuple) else (jnp.ones((), jnp.bfloat16), x)
        return params["table"].astype(weights.dtype)[ids] * weights

    return fnn.stateless(lambda key, x: {"table": jnp.full((4, 2), 0.5, jnp.float32)}, apply, name="lookup")


def test_mixed_precision_takes_integers_beside_floating_point_input(key):
    net, x = fnn.mixed_precision(lookup()), (jnp.full((3, 1), 0.5), jnp.array([0, 3, 1]))
    y, _ = net.apply(*net.init(key, x), x, train=False)
    SAME(y, np.full((3, 2), 0.25, np.float32))
    assert y.dtype == jnp.float32


def test_mixed_precision_of_integers_does_not_round_the_output_to_integers(key):
    net, x = fnn.mixed_precision(lookup()), jnp.array([0, 3, 1])
    y, _ = net.apply(*net.init(key, x), x, train=False)
    assert jnp.issubdtype(y.dtype, jnp.floating)
    SAME(y.astype(jnp.float32), np.full((3, 2), 0.5, np.float32))


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.int32, bool])
def test_mixed_precision_in_integers_is_refused(dtype):
    with pytest.raises(ValueError, match="floating-point dtype"):
        fnn.mixed_precision(NET, dtype)
