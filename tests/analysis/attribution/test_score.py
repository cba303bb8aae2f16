"""A score is one number an image, of a class or of a unit inside."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn import analysis


@pytest.fixture
def images() -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).standard_normal((3, 5, 4, 2)), jnp.float32)


def network() -> fnn.Layer:
    features = fnn.serial(conv=fnn.Conv(3, 3, padding="VALID"), act=fnn.Relu)
    return fnn.serial(features=features, flat=fnn.Flatten, drop=fnn.Dropout(0.5), head=fnn.Dense(4))


def test_a_class_score_is_the_output_of_that_class(key: jax.Array, images: jax.Array) -> None:
    net = network()
    params, state = net.init(key, images)
    classes = np.array([3, 0, 2])
    outputs = net.apply(params, state, images, train=False)[0]
    scores = analysis.class_score(net, params, state, classes)(images)
    np.testing.assert_array_equal(scores, np.asarray(outputs)[np.arange(3), classes])


@pytest.mark.parametrize(("place", "row", "column"), [(None, 1, 1), ((2, 0), 2, 0)])
def test_a_unit_score_is_one_number_of_the_layers_map(
    key: jax.Array, images: jax.Array, place: tuple[int, int] | None, row: int, column: int
) -> None:
    net = network()
    params, state = net.init(key, images)
    kernel, bias = (np.asarray(params["features"]["conv"][name], np.float64) for name in ("kernel", "bias"))
    channels = np.array([2, 0, 1])
    scores = analysis.unit_score(net, params, state, "features/conv", channels, place)(images)
    windows = np.asarray(images, np.float64)[:, row : row + 3, column : column + 3]
    expected = [(window * kernel[..., c]).sum() + bias[c] for window, c in zip(windows, channels, strict=True)]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_what_is_not_there_is_named(key: jax.Array, images: jax.Array) -> None:
    net = network()
    params, state = net.init(key, images)
    with pytest.raises(ValueError, match="no layer 'conv'; there are features/conv, features/act, features"):
        analysis.unit_score(net, params, state, "conv", np.zeros(3, int))(images)
    with pytest.raises(ValueError, match=r"a place in \(3, 2\).* got \(3, 0\)"):
        analysis.unit_score(net, params, state, "features/act", np.zeros(3, int), (3, 0))(images)
    with pytest.raises(ValueError, match=r"an integer for each image, \(3,\)"):
        analysis.class_score(net, params, state, np.zeros(2, int))(images)
