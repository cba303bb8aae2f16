"""Brightness, contrast, saturation and noise against dm-pix and Pillow; and how their draws are distributed."""

import dm_pix
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image, ImageEnhance

from fnn.data import augment
from fnn.data.augment.colour import adjust_brightness, adjust_contrast, adjust_saturation

RARE = 1e-3
AMOUNTS = np.array([-0.9, -0.2, 0, 0.3, 1], np.float32)


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


def changed(change: augment.Augmentation, images: np.ndarray) -> np.ndarray:
    targets = jnp.zeros(len(images), jnp.int32)
    return np.asarray(jax.jit(change)(jax.random.key(0), jnp.asarray(images), targets)[0])


def assert_uniform(values: np.ndarray, most: float) -> None:
    assert np.abs(values).max() <= most * (1 + 1e-3)
    assert scipy.stats.kstest(values, scipy.stats.uniform(-most, 2 * most).cdf).pvalue > RARE


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_brightness_and_contrast_are_dm_pixs_cut_off(channels: int) -> None:
    images = random_images(5, 6, 7, channels)
    brighter = adjust_brightness(jnp.asarray(images), jnp.asarray(AMOUNTS))
    starker = adjust_contrast(jnp.asarray(images), jnp.asarray(1 + AMOUNTS))
    for i, amount in enumerate(AMOUNTS):
        expected = np.clip(dm_pix.adjust_brightness(jnp.asarray(images[i]), amount), 0, 1)
        np.testing.assert_allclose(brighter[i], expected, atol=1e-6)
        with jax.numpy_rank_promotion("allow"):
            expected = np.clip(dm_pix.adjust_contrast(jnp.asarray(images[i]), 1 + amount), 0, 1)
        np.testing.assert_allclose(starker[i], expected, atol=1e-6)


def test_by_hand() -> None:
    image = jnp.array([0.2, 0.4, 0.9]).reshape(1, 1, 3, 1)
    np.testing.assert_allclose(adjust_brightness(image, jnp.array([0.3]))[0, 0, :, 0], [0.5, 0.7, 1], atol=1e-6)
    np.testing.assert_allclose(adjust_contrast(image, jnp.array([2.0]))[0, 0, :, 0], [0, 0.3, 1], atol=1e-6)
    np.testing.assert_allclose(adjust_contrast(image, jnp.array([0.0]))[0, 0, :, 0], [0.5, 0.5, 0.5], atol=1e-6)
    red = jnp.array([1.0, 0, 0]).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(adjust_saturation(red, jnp.array([0.0]))[0, 0, 0], [0.299] * 3, atol=1e-6)
    np.testing.assert_allclose(adjust_saturation(red, jnp.array([0.5]))[0, 0, 0], [0.6495, 0.1495, 0.1495], atol=1e-6)


def test_saturation_is_pillows_up_to_its_rounding() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), np.uint8)
    ours = adjust_saturation(jnp.asarray(images.astype(np.float32) / 255), jnp.asarray(1 + AMOUNTS))
    for i, amount in enumerate(AMOUNTS):
        expected = np.asarray(ImageEnhance.Color(Image.fromarray(images[i])).enhance(1 + float(amount)))
        np.testing.assert_allclose(ours[i] * 255, expected, atol=2.01)


def test_a_factor_of_one_and_a_shift_of_zero_are_exact() -> None:
    images = jnp.asarray(random_images(4, 9, 9, 3))
    for adjust, nothing in ((adjust_brightness, 0), (adjust_contrast, 1), (adjust_saturation, 1)):
        np.testing.assert_array_equal(adjust(images, jnp.full(4, nothing, jnp.float32)), images)


def test_shifts_and_factors_are_uniform() -> None:
    grey = np.tile(np.array([0.4, 0.6], np.float32).reshape(1, 1, 2, 1), (600, 2, 1, 1))
    assert_uniform((changed(augment.brightness(0.3), grey) - grey)[:, 0, 0, 0], 0.3)
    assert_uniform(np.diff(changed(augment.contrast(0.5), grey), axis=2)[:, 0, 0, 0] / 0.2 - 1, 0.5)
    reddish = np.tile(np.array([0.5, 0.4, 0.4], np.float32), (600, 1, 1, 1))
    assert_uniform(np.diff(changed(augment.saturation(0.8), reddish))[:, 0, 0, 0] / -0.1 - 1, 0.8)


def test_brightness_is_one_shift_for_a_whole_image() -> None:
    grey = np.full((20, 3, 4, 3), 0.5, np.float32)
    shifted = changed(augment.brightness(0.3), grey)
    np.testing.assert_array_equal(shifted, np.broadcast_to(shifted[:, :1, :1, :1], grey.shape))


def test_noise_is_normal_and_independent_everywhere() -> None:
    grey = np.full((20, 10, 10, 3), 0.5, np.float32)
    noise = changed(augment.noise(0.05), grey) - grey
    assert scipy.stats.kstest(noise.ravel(), scipy.stats.norm(0, 0.05).cdf).pvalue > RARE
    assert len(np.unique(noise)) > 0.95 * noise.size
    for one, other in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]), (noise[:, :, 1:], noise[:, :, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.06
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.08
    assert changed(augment.noise(5), grey).min() == 0
    assert changed(augment.noise(5), grey).max() == 1
