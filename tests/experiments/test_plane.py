"""Points in the plane, and how much of it is whose."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import plane


@pytest.mark.parametrize("name", plane.DATA)
def test_points_are_a_function_of_name_part_and_seed(name: str) -> None:
    points = plane.draw(name, "train", 40, 0.1, 3)
    assert points.xy.shape == (40, 2)
    assert points.xy.dtype == np.float32
    assert points.labels.dtype == np.int32
    assert np.bincount(points.labels).tolist() == [20, 20]
    assert np.abs(points.xy).max() < 1.4
    np.testing.assert_array_equal(points.xy, plane.draw(name, "train", 40, 0.1, 3).xy)
    for part, seed in (("test", 3), ("train", 4)):
        assert not np.isin(points.xy, plane.draw(name, part, 40, 0.1, seed).xy).any()


def test_each_class_lies_on_its_curve() -> None:
    xy, labels = plane.draw("circles", "train", 100, 0, 0)
    np.testing.assert_allclose(np.linalg.norm(xy, axis=1), np.where(labels == 0, 0.9, 0.45), rtol=1e-5)
    xy, labels = plane.draw("spirals", "train", 100, 0, 0)
    radius = np.linalg.norm(xy, axis=1)
    angle = np.arctan2(xy[:, 1], xy[:, 0])
    turned = np.pi * (3 * (radius - 0.05) / 0.9 + labels) - angle  # by whole turns only
    np.testing.assert_allclose(np.exp(1j * turned), 1, atol=1e-4)
    xy, labels = plane.draw("moons", "train", 100, 0, 0)
    centre = np.where(labels == 0, -0.3, 0.3)
    np.testing.assert_allclose(np.hypot(xy[:, 0] - centre, xy[:, 1] - centre / 2), 0.6, rtol=1e-5)
    assert np.all(xy[labels == 0, 1] > -0.1501)  # the upper half
    assert np.all(xy[labels == 1, 1] < 0.1501)  # the lower


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="choose one of circles, spirals, moons"):
        plane.draw("stars", "train", 10, 0, 0)


def test_regions_lie_where_they_belong(tmp_path: Path) -> None:
    window = plane.Window(-1, 1, 21)
    lattice = window.lattice()
    np.testing.assert_allclose(lattice[[0, 1, 21]], [[-1, -1], [-0.9, -1], [-1, -0.9]], atol=1e-6)
    points = plane.Points(np.zeros((2, 2), np.float32), np.array([0, 1], np.int32))
    above = lattice[:, 1] > 0
    plane.draw_regions([plane.Panel("t", points, above)] * 5, 3, window, tmp_path / "r.png", "a title", ("a", "b"))
    with Image.open(tmp_path / "r.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue, orange = (np.all(pixels == colour, axis=-1) for colour in ((0x9E, 0xCA, 0xE8), (0xF7, 0xC9, 0xA3)))
    middle = pixels.shape[0] // 2
    upper = slice(0, middle)  # the first row of panels
    assert np.argwhere(orange[upper])[:, 0].mean() < np.argwhere(blue[upper])[:, 0].mean() - 50
    assert 0.8 < orange.sum() / blue.sum() < 1.1
    assert orange[middle:, : pixels.shape[1] * 3 // 4].any()
    assert not orange[middle:, pixels.shape[1] * 3 // 4 :].any()  # there is no sixth panel
