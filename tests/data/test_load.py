"""The embedded digits and how they are cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fnn import data

SPLITS = ("train", "validation", "test")


def every_split(seed: int = 0) -> list[data.Split]:
    return [data.load("digits", name, seed=seed) for name in SPLITS]


def rows(split: data.Split) -> list[bytes]:
    return [image.tobytes() + bytes([label]) for image, label in zip(split.images, split.labels, strict=True)]


def test_arrays_are_uint8_nhwc_images_and_int32_labels() -> None:
    for split in every_split():
        assert split.images.dtype == np.uint8
        assert split.images.shape == (len(split), 8, 8, 1)
        assert split.labels.dtype == np.int32
        assert split.labels.shape == (len(split),)
        assert split.class_names == tuple("0123456789")


def test_splits_hold_every_digit_once_with_its_own_label() -> None:
    digits: Any = load_digits()
    spread = np.rint(digits.images * 255 / 16).astype(np.uint8)
    original = sorted(image.tobytes() + bytes([label]) for image, label in zip(spread, digits.target, strict=True))
    assert sorted(row for split in every_split() for row in rows(split)) == original


def test_shares_are_those_promised_in_every_class() -> None:
    counts = np.stack([np.bincount(split.labels, minlength=10) for split in every_split()])  # (splits, classes)
    expected = counts.sum(axis=0) * np.array([[0.75], [0.05], [0.2]])
    assert np.abs(counts - expected).max() <= 1.5  # whole samples


def test_the_cut_depends_on_the_seed_alone() -> None:
    assert rows(data.load("digits", "test")) == rows(data.load("digits", "test", seed=0))
    assert rows(data.load("digits", "test", seed=1)) != rows(data.load("digits", "test", seed=0))


def test_joined_splits_hold_the_samples_of_both() -> None:
    train, validation, _ = every_split()
    assert rows(data.load("digits", "train+validation")) == rows(train) + rows(validation)
    with pytest.raises(ValueError, match="twice"):
        data.load("digits", "train+train")


@pytest.mark.parametrize("split", ["dev", "train+dev"])
def test_unknown_splits_are_refused_with_those_that_exist(split: str) -> None:
    with pytest.raises(ValueError, match="choose one of train, validation, test"):
        data.load("digits", split)


def test_normalization_gives_mean_0_and_variance_1() -> None:
    split = data.load("digits", "train")
    x = np.asarray(data.normalization_of(split)(split.images), np.float64)
    assert x.mean() == pytest.approx(0, abs=1e-5)
    assert x.std() == pytest.approx(1, abs=1e-5)


def test_normalization_is_by_channel_and_leaves_a_constant_channel_at_zero() -> None:
    images = np.zeros((4, 2, 2, 3), np.uint8)
    images[:2, ..., 0] = 255
    images[..., 1] = 7
    split = data.Split(images, np.zeros(4, np.int32), ("a",), "made by hand")
    mean, std = data.normalization_of(split)
    np.testing.assert_allclose(mean, [0.5, 7 / 255, 0], rtol=1e-6)
    np.testing.assert_allclose(std, [0.5, 1, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((4, 8, 8), np.uint8)}, r"uint8 \(4, 8, 8\)"),
        ({"images": np.zeros((4, 8, 8, 1), np.float32)}, "got float32"),
        ({"labels": np.zeros(3, np.int32)}, r"4 images .* got int32 \(3,\)"),
        ({"labels": np.eye(4, dtype=np.int32)}, r"got int32 \(4, 4\)"),
        ({"labels": np.zeros(4)}, "got float64"),
        ({"labels": np.array([0, 1, 2, 1])}, "from 0 to 1, got 0 to 2"),
        ({"labels": np.array([0, 1, -1, 1])}, "got -1 to 1"),
    ],
)
def test_a_split_that_does_not_fit_together_is_refused(change: dict, message: str) -> None:
    good = {"images": np.zeros((4, 8, 8, 1), np.uint8), "labels": np.array([0, 1, 0, 1]), "class_names": ("a", "b")}
    assert len(data.Split(**good, source="made by hand")) == 4
    with pytest.raises(ValueError, match=message):
        data.Split(**good | change, source="made by hand")


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (2, 8, 8), (8, 8, 1)])
def test_images_of_another_shape_are_not_normalized(shape: tuple[int, ...]) -> None:
    normalization = data.normalization_of(data.load("digits", "validation"))
    with pytest.raises(ValueError, match=r"\(batch, height, width, 1\)"):
        normalization(np.ones(shape, np.uint8))


def test_the_embedded_digits_need_no_directory_of_prepared_sets(tmp_path: Path) -> None:
    assert len(data.load("digits", "test", data_dir=tmp_path)) == len(data.load("digits", "test")) == 360
