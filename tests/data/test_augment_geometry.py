"""Flip, crop and warp against hand-worked images, NumPy, SciPy and dm-pix; and how their draws are distributed."""

import math

import dm_pix
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from fnn.data import augment
from fnn.data.augment.flip_and_crop import crop_at, flip_where
from fnn.data.augment.resample import bilinear
from fnn.data.augment.warping import Affine, affine_places, smooth
from fnn.keys import named_key

RARE = 1e-3
"""The p-value below which a distribution is taken for another; seeds are fixed, so a test passes always or never."""


def random_images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def changed(change: augment.Augmentation, images: np.ndarray, seed: int = 0) -> np.ndarray:
    targets = jnp.zeros(len(images), jnp.int32)
    return np.asarray(jax.jit(change)(jax.random.key(seed), jnp.asarray(images), targets)[0])


# Flip.


def test_a_flip_exchanges_left_and_right() -> None:
    image = np.array([[1, 2], [3, 4]], np.float32).reshape(1, 2, 2, 1)
    images = np.concatenate([image, image])
    flipped = np.asarray(flip_where(jnp.asarray(images), jnp.array([True, False])))
    np.testing.assert_array_equal(flipped[..., 0], [[[2, 1], [4, 3]], [[1, 2], [3, 4]]])
    several = random_images(3, 5, 4, 2)
    expected = [np.asarray(dm_pix.flip_left_right(jnp.asarray(image))) for image in several]
    np.testing.assert_array_equal(changed(augment.flip(1), several), expected)


def test_flips_come_as_often_as_asked() -> None:
    images = np.tile(np.array([0, 1], np.float32).reshape(1, 1, 2, 1), (4000, 1, 1, 1))
    flips = int(changed(augment.flip(0.3), images)[:, 0, 0, 0].sum())
    assert scipy.stats.binomtest(flips, 4000, 0.3).pvalue > RARE


# Crop.


@pytest.mark.parametrize("padding", ["zero", "reflect"])
@settings(deadline=None, max_examples=4, derandomize=True)
@given(height=st.integers(2, 6), width=st.integers(2, 6), channels=st.integers(1, 3), data=st.data())
def test_a_crop_is_a_window_of_the_padded_image(
    padding: str, height: int, width: int, channels: int, data: st.DataObject
) -> None:
    pixels = data.draw(st.integers(1, min(height, width) - 1))
    places = np.array([(row, column) for row in range(2 * pixels + 1) for column in range(2 * pixels + 1)])
    images = random_images(len(places), height, width, channels)
    cut = jax.jit(crop_at, static_argnums=(2, 3))(jnp.asarray(images), jnp.asarray(places), pixels, padding)
    around = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
    padded = np.pad(images, around, mode="constant" if padding == "zero" else "reflect")
    expected = [padded[i, r : r + height, c : c + width] for i, (r, c) in enumerate(places)]
    np.testing.assert_array_equal(cut, expected)


@pytest.mark.parametrize("padding", ["zero", "reflect"])
def test_all_places_of_a_crop_are_equally_likely(padding: str) -> None:
    image = np.arange(1, 10, dtype=np.float32).reshape(3, 3, 1)
    images = np.tile(image, (9000, 1, 1, 1))
    windows, counts = np.unique(changed(augment.crop(1, padding), images)[..., 0], axis=0, return_counts=True)
    padded = np.pad(image[..., 0], 1, mode="constant" if padding == "zero" else "reflect")
    possible = [padded[r : r + 3, c : c + 3] for r in range(3) for c in range(3)]
    np.testing.assert_array_equal(windows, np.unique(possible, axis=0))
    assert len(counts) == 9
    assert scipy.stats.chisquare(counts).pvalue > RARE


# Reading between pixels.


@settings(deadline=None, max_examples=8, derandomize=True)
@given(st.integers(1, 3), st.sampled_from([1, 2, 6]), st.sampled_from([1, 5]), st.integers(1, 3), st.integers(0, 100))
def test_reading_between_pixels_is_scipys(batch: int, height: int, width: int, channels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    images = random_images(batch, height, width, channels, seed=seed)
    rows, columns = (random.uniform(-3, size + 2, (batch, 4, 3)).astype(np.float32) for size in (height, width))
    rows[:, 0], columns[:, :, 0] = np.rint(rows[:, 0]), np.rint(columns[:, :, 0])
    expected = np.zeros((batch, 4, 3, channels))
    for i, c in np.ndindex(batch, channels):
        places = [rows[i].astype(float), columns[i].astype(float)]
        expected[i, ..., c] = scipy.ndimage.map_coordinates(
            images[i, ..., c].astype(float), places, order=1, mode="grid-constant"
        )
    np.testing.assert_allclose(
        bilinear(jnp.asarray(images), jnp.asarray(rows), jnp.asarray(columns)), expected, atol=1e-5
    )


def test_float64_is_read_in_float64() -> None:
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        images, rows, columns = random.uniform(size=(1, 5, 4, 1)), *random.uniform(-1, 4, (2, 1, 6))
        expected = scipy.ndimage.map_coordinates(
            images[0, ..., 0], [rows[0], columns[0]], order=1, mode="grid-constant"
        )
        read = bilinear(jnp.asarray(images), jnp.asarray(rows), jnp.asarray(columns))
        np.testing.assert_allclose(read[0, :, 0], expected, atol=1e-14)


def test_what_is_read_outside_alone_is_black() -> None:
    images, outside = jnp.ones((2, 3, 4, 2)), jnp.full((2, 5), 3.0)
    for rows in (outside, -outside, outside * jnp.nan):
        np.testing.assert_array_equal(bilinear(images, rows, outside * 0), np.zeros((2, 5, 2)))


def test_whole_places_are_read_exactly() -> None:
    images = random_images(2, 5, 4, 3)
    rows, columns = (np.broadcast_to(grid, (2, 5, 4)) for grid in np.mgrid[:5, :4].astype(np.float32))
    np.testing.assert_array_equal(bilinear(jnp.asarray(images), jnp.asarray(rows), jnp.asarray(columns)), images)


# Warp, by given amounts.


def moved(images: np.ndarray, **amounts: float) -> np.ndarray:
    """Moves all images by the same amounts."""
    still = Affine(*(jnp.full(len(images), value, jnp.float32) for value in (0, 0, 0, 1, 0)))
    affine = still._replace(**{name: jnp.full(len(images), value, jnp.float32) for name, value in amounts.items()})
    return np.asarray(read_affine(jnp.asarray(images), affine))


@jax.jit
def read_affine(images: jax.Array, affine: Affine) -> jax.Array:
    return bilinear(images, *affine_places(affine, images.shape[1], images.shape[2]))


def test_nothing_asked_moves_nothing_at_all() -> None:
    for shape in ((1, 6, 7, 2), (1, 28, 28, 1), (1, 33, 32, 3)):
        images = random_images(*shape)
        np.testing.assert_array_equal(moved(images), images)


def test_a_shift_moves_down_and_to_the_right() -> None:
    images = random_images(1, 4, 5, 1)
    expected = np.zeros_like(images)
    expected[:, 1:, 2:] = images[:, :-1, :-2]
    np.testing.assert_array_equal(moved(images, down=1, right=2), expected)
    shifted = scipy.ndimage.shift(images[0, ..., 0], (0.25, -1.5), order=1, mode="grid-constant")
    np.testing.assert_allclose(moved(images, down=0.25, right=-1.5)[0, ..., 0], shifted, atol=1e-6)


def test_a_quarter_turn_is_counter_clockwise() -> None:
    for side in (4, 5):
        images = random_images(1, side, side, 2)
        np.testing.assert_allclose(moved(images, rotation=math.pi / 2)[0], np.rot90(images[0]), atol=1e-5)


@pytest.mark.parametrize("degrees", [-170, -20, 3, 45])
def test_a_rotation_is_scipys_and_dm_pixs(degrees: float) -> None:
    images = random_images(1, 9, 12, 1)
    turned = moved(images, rotation=math.radians(degrees))[0]
    expected = scipy.ndimage.rotate(images[0, ..., 0], degrees, reshape=False, order=1, mode="grid-constant")
    np.testing.assert_allclose(turned[..., 0], expected, atol=2e-5)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        peer = np.asarray(dm_pix.rotate(jnp.asarray(images[0]), math.radians(degrees), mode="constant"))
    inside = np.asarray(dm_pix_inside(9, 12, math.radians(degrees)))
    assert inside.sum() > 20
    np.testing.assert_allclose(turned[inside], peer[inside], atol=2e-5)


def dm_pix_inside(height: int, width: int, angle: float) -> np.ndarray:
    """Says which pixels come from inside the image: at its edge dm-pix is black at once, and this fades."""
    row, column = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2]).reshape(2, 1, 1)
    cos, sin = math.cos(angle), math.sin(angle)
    row, column = cos * row + sin * column, cos * column - sin * row
    return (np.abs(row) < (height - 1) / 2 - 0.01) & (np.abs(column) < (width - 1) / 2 - 0.01)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    st.sampled_from([(1, 1), (1, 5), (6, 6), (9, 4)]),
    st.floats(-3, 3), st.floats(-4, 4), st.floats(-4, 4), st.floats(0.4, 2.5), st.floats(-2, 2),
)  # fmt: skip
def test_all_at_once_are_scipys_affine_transform(
    size: tuple[int, int], rotation: float, down: float, right: float, scale: float, shear: float
) -> None:
    images = random_images(1, *size, 1)
    together = moved(images, rotation=rotation, down=down, right=right, scale=scale, shear=shear)[0, ..., 0]
    # Forwards, in rows and columns, about the middle: sheared, scaled, turned, shifted. SciPy wants the way back.
    lean = np.array([[1, 0], [shear, 1]])
    turn = np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])
    back = np.linalg.inv(turn * scale @ lean)
    middle = (np.array(size) - 1) / 2
    offset = middle - back @ (middle + np.array([down, right]))
    image = images[0, ..., 0].astype(float)
    expected = scipy.ndimage.affine_transform(image, back, offset, order=1, mode="grid-constant")  # pyright: ignore
    np.testing.assert_allclose(together, expected, atol=1e-4)


# Warp, what is drawn. An image of its own coordinates tells where it was read: a bilinear reading of a plane is exact.

SIDE = 41


def read_places(change: augment.Augmentation, examples: int) -> np.ndarray:
    """Returns where the middle pixel, the one below and the one to the right were read: `(examples, 3, 2)`."""
    plane = np.moveaxis(np.mgrid[:SIDE, :SIDE], 0, -1).astype(np.float32)
    places = changed(change, np.tile(plane, (examples, 1, 1, 1)))
    middle = SIDE // 2
    return np.stack([places[:, middle, middle], places[:, middle + 1, middle], places[:, middle, middle + 1]], axis=1)


def motion(change: augment.Augmentation, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns by which matrix about the middle, and which shift, each example was moved forwards."""
    middle, below, right = np.moveaxis(read_places(change, examples).astype(float), 1, 0)
    back = np.stack([below - middle, right - middle], axis=-1)
    forth = np.linalg.inv(back)
    return forth, -np.einsum("bij,bj->bi", forth, middle - SIDE // 2)


def assert_uniform(values: np.ndarray, most: float) -> None:
    assert np.abs(values).max() <= most * (1 + 1e-3)
    assert scipy.stats.kstest(values, scipy.stats.uniform(-most, 2 * most).cdf).pvalue > RARE


def test_rotations_are_uniform_in_their_angle() -> None:
    matrix, shift = motion(augment.rotation(25), 500)
    angle = np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])
    expected = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(-1, 2, 2)
    np.testing.assert_allclose(matrix, expected, atol=1e-4)
    np.testing.assert_allclose(shift, 0 * shift, atol=1e-4)
    assert_uniform(np.degrees(angle), 25)


def test_translations_are_uniform_in_both_directions() -> None:
    matrix, shift = motion(augment.translation(0.2), 500)
    np.testing.assert_allclose(matrix, np.tile(np.eye(2), (500, 1, 1)), atol=1e-4)
    assert_uniform(shift[:, 0] / SIDE, 0.2)
    assert_uniform(shift[:, 1] / SIDE, 0.2)
    assert abs(np.corrcoef(shift.T)[0, 1]) < 0.15


def test_a_translation_is_a_share_of_each_side() -> None:
    plane = np.moveaxis(np.mgrid[:11, :41], 0, -1).astype(np.float32)
    places = changed(augment.translation(0.4), np.tile(plane, (300, 1, 1, 1)))[:, 5, 20] - [5, 20]
    np.testing.assert_array_less(np.abs(places).max(axis=0), [0.4 * 11 + 1e-3, 0.4 * 41 + 1e-3])
    np.testing.assert_array_less([0.38 * 11, 0.38 * 41], np.abs(places).max(axis=0))


def test_scales_are_uniform_in_their_logarithm() -> None:
    matrix, shift = motion(augment.scale(0.5), 500)
    factor = matrix[:, 0, 0]
    np.testing.assert_allclose(matrix, factor[:, None, None] * np.eye(2), atol=1e-4)
    np.testing.assert_allclose(shift, 0 * shift, atol=1e-4)
    assert_uniform(np.log(factor), math.log(1.5))


def test_shears_are_uniform_in_their_angle() -> None:
    matrix, shift = motion(augment.shear(30), 500)
    lean = matrix[:, 1, 0]
    np.testing.assert_allclose(
        matrix - np.eye(2), np.stack([0 * lean, 0 * lean, lean, 0 * lean], -1).reshape(-1, 2, 2), atol=1e-4
    )
    np.testing.assert_allclose(shift, 0 * shift, atol=1e-4)
    assert_uniform(np.degrees(np.arctan(lean)), 30)


def test_together_they_draw_what_each_draws_alone_and_the_image_is_read_once() -> None:
    alone = {
        "rotation": motion(augment.rotation(20), 50),
        "translation": motion(augment.translation(0.1), 50),
        "scale": motion(augment.scale(0.2), 50),
        "shear": motion(augment.shear(15), 50),
    }
    together, shift = motion(augment.warp(rotation=20, translation=0.1, scale=0.2, shear=15), 50)
    expected = alone["rotation"][0] @ alone["scale"][0] @ alone["shear"][0]
    np.testing.assert_allclose(together, expected, atol=1e-3)
    np.testing.assert_allclose(shift, alone["translation"][1], atol=1e-3)
    angle, lean = (alone[name][0][:, 1, 0] for name in ("rotation", "shear"))
    assert abs(np.corrcoef(angle, lean)[0, 1]) < 0.5
    by_flag = augment.from_flag("shear=15,scale=0.2,translation=0.1,rotation=20")
    images = random_images(4, 8, 8, 1)
    once = changed(augment.warp(rotation=20, translation=0.1, scale=0.2, shear=15), images)
    np.testing.assert_array_equal(changed(by_flag, images), once)


# Elastic deformation.


@settings(deadline=None, max_examples=10, derandomize=True)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.3, 6))
def test_fields_are_smoothed_as_scipy_does(height: int, width: int, sigma: float) -> None:
    fields = random_images(2, 2, height, width) * 2 - 1
    expected = scipy.ndimage.gaussian_filter(fields, (0, 0, sigma, sigma), mode="constant")
    np.testing.assert_allclose(smooth(jnp.asarray(fields), sigma), expected, atol=1e-5)


def test_an_elastic_deformation_moves_by_a_smooth_field(key: jax.Array) -> None:
    images = random_images(3, 15, 12, 2)
    fields = jax.random.uniform(named_key(key, "elastic"), (3, 2, 15, 12), jnp.float32, -1, 1)
    moved = 30 * scipy.ndimage.gaussian_filter(np.asarray(fields), (0, 0, 3, 3), mode="constant")
    places = np.mgrid[:15, :12] + moved
    expected = np.zeros_like(images)
    for i, c in np.ndindex(3, 2):
        expected[i, ..., c] = scipy.ndimage.map_coordinates(images[i, ..., c], places[i], order=1, mode="grid-constant")
    np.testing.assert_allclose(changed(augment.elastic(30, sigma=3), images), expected, atol=2e-4)


def test_an_elastic_deformation_moves_as_far_as_documented() -> None:
    still = np.array([[20, 20], [21, 20], [20, 21]])
    away = (read_places(augment.elastic(34), 400) - still)[:, 0]
    np.testing.assert_allclose(away.std(axis=0), 34 / (6.1 * 4), rtol=0.12)
    np.testing.assert_allclose(away.mean(axis=0), [0, 0], atol=0.25)
    assert abs(np.corrcoef(away.T)[0, 1]) < 0.15
