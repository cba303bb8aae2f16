"""Cutout, mixup and cutmix: which pixels, whose labels, and how much of each."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from fnn.data import augment

RARE = 1e-3


COMPILED = functools.cache(jax.jit)


def changed(
    change: augment.Augmentation, images: np.ndarray | jax.Array, targets: np.ndarray | jax.Array, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    images, targets = COMPILED(change)(jax.random.key(seed), jnp.asarray(images), jnp.asarray(targets))
    return np.asarray(images), np.asarray(targets)


# Cutout.


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_middle_of_a_cutout_is_any_pixel_equally_often(size: int) -> None:
    examples, height, width = 6000, 4, 5
    images, _ = changed(
        augment.cutout(size), np.ones((examples, height, width, 2), np.float32), np.zeros(examples, int)
    )
    np.testing.assert_array_equal(images[..., 0], images[..., 1])
    seen, counts = np.unique(images[..., 0], axis=0, return_counts=True)
    expected: dict[bytes, int] = {}
    for row, column in np.ndindex(height, width):
        image = np.ones((height, width), np.float32)
        for r, c in np.ndindex(size, size):
            place = (row - size // 2 + r, column - size // 2 + c)
            if 0 <= place[0] < height and 0 <= place[1] < width:
                image[place] = 0
        expected[image.tobytes()] = expected.get(image.tobytes(), 0) + 1
    assert {image.tobytes() for image in seen} == set(expected)
    shares = np.array([expected[image.tobytes()] for image in seen]) / (height * width)
    assert scipy.stats.chisquare(counts, shares * examples).pvalue > RARE


def test_a_cutout_of_three_takes_nine_six_or_four_pixels() -> None:
    images, _ = changed(augment.cutout(3), np.ones((500, 5, 5, 1), np.float32), np.zeros(500, int))
    missing = (images == 0).sum(axis=(1, 2, 3))
    assert set(missing) == {9, 6, 4}  # inside, at an edge, in a corner
    corners = images[(images[:, 0, 0, 0] == 0) & (missing == 4)]
    assert (corners[:, :2, :2] == 0).all()


def test_a_cutout_has_the_colour_asked_for() -> None:
    images, _ = changed(augment.cutout(2, fill=0.25), np.ones((50, 5, 5, 1), np.float32), np.zeros(50, int))
    np.testing.assert_array_equal(np.unique(images), [0.25, 1])


# Mixing. Each image is all of one channel, its own, and each label one class, its own: so the mean over the pixels says
# which share of it came from whom, and the label must say the same.


def own_channels(examples: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    eye = np.eye(examples, dtype=np.float32)
    return np.tile(eye[:, None, None], (1, height, width, 1)), eye


@pytest.mark.parametrize("change", [augment.mixup(0.5), augment.cutmix(1), augment.from_flag("mixup=1,cutmix=1")])
@pytest.mark.parametrize(("examples", "shape"), [(1, (5, 3)), (2, (1, 1)), (7, (6, 6))])
def test_labels_say_what_the_images_are_made_of(
    change: augment.Augmentation, examples: int, shape: tuple[int, int]
) -> None:
    images, labels = own_channels(examples, *shape)
    for seed in range(3):
        mixed, weights = changed(change, images, labels, seed)
        np.testing.assert_allclose(mixed.mean(axis=(1, 2)), weights, atol=1e-6)
        np.testing.assert_allclose(weights.sum(axis=1), np.ones(examples), atol=1e-6)
        assert weights.min() >= 0


def shares_of(change: augment.Augmentation, examples: int, height: int, width: int) -> tuple[np.ndarray, ...]:
    """Returns the mixed images, their weights, and the own shares and partners of those that have another partner."""
    images, labels = own_channels(examples, height, width)
    mixed, weights = changed(change, images, labels)
    other = weights * (1 - labels)
    mixing = other.sum(axis=1) > 0
    return mixed, weights, np.diag(weights)[mixing], other.argmax(axis=1)[mixing]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_draws_each_share_from_beta(alpha: float) -> None:
    _, weights, own, partners = shares_of(augment.mixup(alpha), 600, 1, 1)
    assert (weights > 0).sum(axis=1).max() <= 2
    assert len(own) > 500
    assert scipy.stats.kstest(own, scipy.stats.beta(alpha, alpha).cdf).pvalue > RARE
    assert len(set(partners)) == len(partners)  # a permutation: nobody lends twice


@pytest.mark.parametrize("alpha", [1e-3, 1e3])
def test_extreme_alphas_stay_finite(alpha: float) -> None:
    for change in (augment.mixup(alpha), augment.cutmix(alpha)):
        _, weights, _, _ = shares_of(change, 50, 4, 4)
        assert np.isfinite(weights).all()
        np.testing.assert_allclose(weights.sum(axis=1), np.ones(50), atol=1e-6)


def test_partners_are_any_example_equally_often() -> None:
    images, labels = own_channels(4, 1, 1)
    change = jax.jit(jax.vmap(augment.mixup(1.0), (0, None, None)))
    _, weights = change(jax.random.split(jax.random.key(0), 4000), jnp.asarray(images), jnp.asarray(labels))
    other = np.asarray(weights)[:, 0].copy()
    lent = (other[:, 1:] > 0).sum(axis=0)
    assert scipy.stats.chisquare([*lent, 4000 - lent.sum()]).pvalue > RARE


def test_cutmix_pastes_one_box_of_the_images_proportions() -> None:
    mixed, _, _, _ = shares_of(augment.cutmix(1), 120, 20, 40)
    unclipped = 0
    for number, image in enumerate(mixed):
        pasted = image[..., number] == 0
        rows, columns = np.flatnonzero(pasted.any(axis=1)), np.flatnonzero(pasted.any(axis=0))
        assert set(np.unique(image)) <= {0, 1}
        if not len(rows):
            continue
        assert pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert pasted.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        if rows[0] > 0 and rows[-1] < 19 and columns[0] > 0 and columns[-1] < 39:
            unclipped += 1
            assert 0 <= len(columns) - 2 * len(rows) <= 1
    assert unclipped > 10


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_cutmix_shares_are_distributed_as_in_the_paper(alpha: float) -> None:
    height, width, random = 16, 24, np.random.default_rng(0)
    expected = []
    for share in random.beta(alpha, alpha, 2000):
        rows, columns = int(height * np.sqrt(1 - share)), int(width * np.sqrt(1 - share))
        top, left = random.integers(height) - rows // 2, random.integers(width) - columns // 2
        pasted = np.zeros((height, width), bool)
        pasted[max(top, 0) : max(top + rows, 0), max(left, 0) : max(left + columns, 0)] = True
        expected.append(1 - pasted.mean())
    images, labels = np.zeros((2000, height, width, 1), np.float32), np.eye(2000, dtype=np.float32)
    own = np.diag(changed(augment.cutmix(alpha), images, labels)[1])
    test: Any = scipy.stats.ks_2samp(own[own < 1], [share for share in expected if share < 1])
    assert test.pvalue > RARE


def test_each_example_has_a_share_and_a_box_of_its_own() -> None:
    for change in (augment.mixup(1), augment.cutmix(1)):
        _, _, own, _ = shares_of(change, 30, 30, 30)
        assert len(np.unique(own)) > 0.9 * len(own)


def test_smoothed_labels_are_the_formula_for_class_numbers_and_for_mixed_ones() -> None:
    key, images = jax.random.key(0), jnp.zeros((2, 3, 3, 1), jnp.uint8)
    _, smoothed = augment.smooth_labels(None, 4, 0.2)(key, images, jnp.array([1, 3]))
    np.testing.assert_allclose(smoothed, [[0.05, 0.85, 0.05, 0.05], [0.05, 0.05, 0.05, 0.85]], rtol=1e-6)
    mixed = jnp.array([[0.5, 0.5, 0, 0], [0, 0, 0, 1.0]])

    def mix(key: jax.Array, images: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
        del key, targets
        return images, mixed

    _, both = augment.smooth_labels(mix, 4, 0.2)(key, images, jnp.array([0, 3]))
    np.testing.assert_allclose(both, [[0.45, 0.45, 0.05, 0.05], [0.05, 0.05, 0.05, 0.85]], rtol=1e-6)
    for amount in (-0.1, 1.0):
        with pytest.raises(ValueError, match="from 0 up to"):
            augment.smooth_labels(None, 4, amount)
