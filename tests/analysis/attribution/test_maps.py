"""Saliency, occlusion and Grad-CAM are what finite differences, a loop in NumPy and their equations give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn import analysis


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_the_saliency_of_a_linear_score_is_its_largest_weight_over_channels() -> None:
    weights = normal(5, 4, 3)
    score = lambda x: jnp.einsum("bhwc,hwc->b", x, jnp.asarray(weights, jnp.float32))  # noqa: E731
    found = analysis.saliency(score, jnp.asarray(normal(2, 5, 4, 3, seed=1), jnp.float32))
    np.testing.assert_allclose(found, np.broadcast_to(np.abs(weights).max(axis=-1), (2, 5, 4)), rtol=1e-6)


def test_saliency_by_finite_differences(key: jax.Array) -> None:
    with jax.enable_x64(True):
        images = jnp.asarray(normal(2, 4, 4, 2))
        net = fnn.serial(conv=fnn.Conv(3, 3), act=fnn.Tanh, flat=fnn.Flatten, head=fnn.Dense(3))
        params, state = net.init(key, images)
        score = analysis.class_score(net, params, state, np.array([2, 0]))
        expected = np.zeros((2, 4, 4))
        for row, column in np.ndindex(4, 4):
            for channel in range(2):
                shift = np.zeros((2, 4, 4, 2))
                shift[:, row, column, channel] = 1e-6
                slope = (score(images + shift) - score(images - shift)) / 2e-6
                expected[:, row, column] = np.maximum(expected[:, row, column], np.abs(slope))
        np.testing.assert_allclose(analysis.saliency(score, images), expected, rtol=1e-5)


@pytest.mark.parametrize(("window", "stride", "fill"), [(1, 1, 0.0), (2, 1, 0.5), (3, 2, 0.0), (4, 3, -1.0), (9, 4, 0)])
def test_occlusion_is_a_loop_over_covered_images(window: int, stride: int, fill: float) -> None:
    images, weights = normal(2, 6, 7, 2), normal(6, 7, 2, seed=1)
    score = lambda x: jnp.square(jnp.einsum("bhwc,hwc->b", x, jnp.asarray(weights, jnp.float32)))  # noqa: E731
    found = analysis.occlusion(score, jnp.asarray(images, jnp.float32), window, stride=stride, fill=fill)
    rows, columns = range(0, 6, stride), range(0, 7, stride)
    assert found.shape == (2, len(rows), len(columns))
    before = (images * weights).sum(axis=(1, 2, 3)) ** 2
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            covered = images.copy()
            top, left = max(row - (window - 1) // 2, 0), max(column - (window - 1) // 2, 0)
            covered[:, top : row + window // 2 + 1, left : column + window // 2 + 1] = fill
            expected = before - (covered * weights).sum(axis=(1, 2, 3)) ** 2
            np.testing.assert_allclose(found[:, i, j], expected, rtol=1e-4, atol=1e-4)


def test_each_image_is_covered_at_its_own_place() -> None:
    covered = analysis.cover(jnp.ones((2, 4, 5, 1)), jnp.array([0, 2]), jnp.array([4, 1]), 2, fill=7.0)
    expected = np.ones((2, 4, 5, 1))
    expected[0, 0:2, 4:5] = expected[1, 2:4, 1:3] = 7
    np.testing.assert_array_equal(covered, expected)


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0 and 1"):
        analysis.occlusion(lambda x: x.sum(axis=(1, 2, 3)), jnp.ones((1, 2, 2, 1)), 0)


def test_grad_cam_by_hand(key: jax.Array) -> None:
    """Global average pooling and a dense layer: the gradient at each place is the class's weight over the places."""
    images = jnp.asarray(normal(2, 4, 3, 1), jnp.float32)
    net = fnn.serial(conv=fnn.Conv(3, 3), act=fnn.Relu, pool=fnn.GlobalAvgPool, head=fnn.Dense(2))
    params, state = net.init(key, images)
    passages = fnn.intermediates(net, params, state, images, train=False)[2]
    maps = np.asarray({passage.path: passage.y for passage in passages}["act"], np.float64)
    classes = np.array([1, 0])
    weights = np.asarray(params["head"]["kernel"], np.float64)[:, classes] / 12
    expected = np.maximum(np.einsum("bhwc,cb->bhw", maps, weights), 0)
    found = analysis.grad_cam(net, params, state, images, classes, "act")
    assert 0 < np.count_nonzero(expected) < expected.size
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_grad_cam_averages_gradients_that_differ_from_place_to_place(key: jax.Array) -> None:
    images = jnp.asarray(normal(1, 3, 3, 2), jnp.float32)
    net = fnn.serial(maps=fnn.Identity, flat=fnn.Flatten, head=fnn.Dense(2))
    params, state = net.init(key, images)
    kernel = np.asarray(params["head"]["kernel"], np.float64).reshape(3, 3, 2, 2)
    weights = kernel[..., 1].mean(axis=(0, 1))
    found = analysis.grad_cam(net, params, state, images, np.array([1]), "maps")
    np.testing.assert_allclose(found, np.maximum(np.asarray(images, np.float64) @ weights, 0), rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match=r"'flat' makes \(1, 18\)"):
        analysis.grad_cam(net, params, state, images, np.array([1]), "flat")
