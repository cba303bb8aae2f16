"""Ascent finds the image that the score and the prior agree on, and raises a real unit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn import analysis

pytestmark = pytest.mark.usefixtures("optax_promotes")


def linear(weights: np.ndarray) -> analysis.Score:
    return lambda x: jnp.einsum("bhwc,hwc->b", x, jnp.asarray(weights, jnp.float32))


def test_without_a_prior_a_linear_score_is_highest_in_a_corner_of_the_box() -> None:
    weights = np.random.default_rng(0).standard_normal((3, 4, 2))
    low, high = np.array([-1, -0.5], np.float32), np.array([2, 0.25], np.float32)
    found = analysis.ascend(linear(weights), jnp.zeros((1, 3, 4, 2)), steps=200, rate=0.1, low=low, high=high)
    np.testing.assert_allclose(found[0], np.where(weights > 0, high, low), atol=1e-5)


def test_the_prior_of_a_linear_score_solves_a_linear_system() -> None:
    """At the top of w·x − λ Σ (Dx)² − μ Σ x² is (λ DᵀD + μ) x = w / 2."""
    height, width, smoothness, decay = 3, 4, 0.7, 0.2
    weights = np.random.default_rng(0).standard_normal((height, width, 1))
    places = [(row, column) for row in range(height) for column in range(width)]
    system = decay * np.eye(len(places))
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1:  # each pair of neighbours is met twice
                system[i, i] += smoothness
                system[i, j] -= smoothness
    expected = np.linalg.solve(system, weights.reshape(-1) / 2).reshape(1, height, width, 1)
    start = jnp.zeros((1, height, width, 1))
    found = analysis.ascend(linear(weights), start, steps=2000, rate=0.05, smoothness=smoothness, decay=decay)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert np.abs(expected).max() > 0.5


def test_it_raises_each_unit_of_a_network(key: jax.Array) -> None:
    net = fnn.serial(conv1=fnn.Conv(4, 3), act=fnn.Tanh, conv2=fnn.Conv(3, 3))
    start = 0.1 * jax.random.normal(key, (3, 6, 6, 1))
    params, state = net.init(key, start)
    score = analysis.unit_score(net, params, state, "conv2", jnp.arange(3))
    found = analysis.ascend(score, start, steps=60, rate=0.1, smoothness=0.01, low=-1, high=1)
    assert np.all(score(found) > score(start) + 0.5)
    assert np.abs(found).max() <= 1
