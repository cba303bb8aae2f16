"""A network in a corner of a wider one is the network itself, also while it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnn
from experiments.descent import descend
from experiments.padded import Padded, only_real, pad_to_widest

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32)
WIDTHS = [2, 5, 3]


def make(width: int) -> fnn.Layer:
    # softplus(0) is not 0 and has a derivative: a unit that is padded speaks and would learn, were it heard
    return fnn.serial(dense1=fnn.Dense(width, bias_init="normal"), act1=fnn.Softplus, dense2=fnn.Dense(width),
                      act2=fnn.Softplus, out=fnn.Dense(2))  # fmt: skip


KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def padded() -> Padded:
    return pad_to_widest(make, WIDTHS, KEY, X)


@pytest.mark.usefixtures("optax_promotes")
def test_padded_networks_learn_as_they_would_alone(padded: Padded) -> None:
    optimizer = optax.adam(0.05)

    def learn(network: fnn.Layer, params: fnn.layer.Params, mask: fnn.layer.Params) -> tuple[jax.Array, jax.Array]:
        def predict(params: fnn.layer.Params) -> jax.Array:
            return network.apply(only_real(params, mask), {}, X, train=True)[0]

        def loss(params: fnn.layer.Params) -> jax.Array:
            return jnp.mean(jnp.square(predict(params) - Y)) + fnn.losses.l2(only_real(params, mask), 0.01)

        params, curve = descend(loss, params, optimizer, 30)
        return predict(params), curve

    together, curves = jax.jit(jax.vmap(lambda *own: learn(make(max(WIDTHS)), *own)))(*padded)
    for i, width in enumerate(WIDTHS):
        params, _ = make(width).init(KEY, X)
        ones = jax.tree.map(jnp.ones_like, params)
        alone, curve = jax.jit(lambda *own, width=width: learn(make(width), *own))(params, ones)
        np.testing.assert_allclose(together[i], alone, rtol=2e-4, atol=2e-5)
        np.testing.assert_allclose(curves[i], curve, rtol=2e-4)
        assert curve[-1] < 0.9 * curve[0]


def test_what_is_padded_is_zero_and_stays_so(padded: Padded) -> None:
    for params, mask in zip(jax.tree.leaves(padded.params), jax.tree.leaves(padded.mask), strict=True):
        assert np.array_equal(np.asarray(params)[np.asarray(mask) == 0], np.zeros(int((np.asarray(mask) == 0).sum())))
    sizes = [sum(int(mask[i].sum()) for mask in jax.tree.leaves(padded.mask)) for i in range(len(WIDTHS))]
    assert sizes == [(3 + 1) * width + (width + 1) * width + (width + 1) * 2 for width in WIDTHS]
    garbage = jax.tree.map(lambda leaf: leaf + 7, padded.params)
    for kept, mask in zip(jax.tree.leaves(only_real(garbage, padded.mask)), jax.tree.leaves(padded.mask), strict=True):
        assert not np.asarray(kept)[np.asarray(mask) == 0].any()


def test_descent_steps_as_by_hand() -> None:
    params, curve = descend(lambda params: params["w"] ** 2, {"w": jnp.float32(1)}, optax.sgd(0.25), 3)
    assert params["w"] == 0.125  # w − 0.25 · 2w halves it
    np.testing.assert_array_equal(curve, [1, 0.25, 0.0625])  # before each step
