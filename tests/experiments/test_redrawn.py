"""Sets are made from sets: of some classes, drawn anew, on pieces of a photograph."""

import numpy as np
import pytest

from experiments.redrawn import of_classes, pieces, redraw
from fnn.data import Split, augment


@pytest.fixture
def split() -> Split:
    images = np.arange(300 * 4 * 4, dtype=np.uint32).reshape(300, 4, 4, 1) % 251
    return Split(images.astype(np.uint8), np.arange(300, dtype=np.int32) % 4, ("a", "b", "c", "d"), "numbers")


def test_some_classes_are_counted_anew(split: Split) -> None:
    some = of_classes(split, (3, 1))
    assert some.class_names == ("d", "b")
    kept = np.flatnonzero(split.labels % 2)
    np.testing.assert_array_equal(some.images, split.images[kept])
    np.testing.assert_array_equal(some.labels, np.where(split.labels[kept] == 3, 0, 1))


def test_a_margin_alone_leaves_the_images_in_the_middle(split: Split) -> None:
    drawn = redraw(split, augment.unchanged, "any", seed=0, margin=2)
    assert drawn.image_shape == (8, 8, 1)
    np.testing.assert_array_equal(drawn.images[:, 2:-2, 2:-2], split.images)
    assert drawn.images.sum() == split.images.sum()
    np.testing.assert_array_equal(drawn.labels, split.labels)


def test_every_image_is_drawn_on_its_own_and_again_the_same(split: Split) -> None:
    same = Split(np.repeat(split.images[7:8], 300, axis=0), split.labels, split.class_names, "one")
    shift = augment.translation(0.3)
    assert len(np.unique(redraw(same, shift, "any", seed=0, margin=2).images, axis=0)) == 300
    drawn = redraw(same, shift, "any", seed=0, margin=2, texture=0.2).images
    np.testing.assert_array_equal(redraw(same, shift, "any", seed=0, margin=2, texture=0.2).images, drawn)
    for name, seed in (("other", 0), ("any", 1)):
        other = redraw(same, shift, name, seed=seed, margin=2, texture=0.2).images
        assert (other != drawn).any(axis=(1, 2, 3)).all()


def test_a_texture_is_mixed_in(split: Split) -> None:
    only = redraw(split, augment.unchanged, "any", seed=3, texture=1).images
    half = redraw(split, augment.unchanged, "any", seed=3, texture=0.5).images
    np.testing.assert_allclose(half, (split.images.astype(float) + only) / 2, atol=1)
    assert only.std(axis=(1, 2, 3)).mean() > 3  # pieces that are no plain grey


def test_pieces_are_of_the_photograph() -> None:
    from sklearn.datasets import load_sample_image

    photograph = load_sample_image("china.jpg").astype(float) / 255
    (piece,) = pieces((1, 400, 600, 3), np.random.default_rng(0))  # so large that nothing is shrunk
    places = [
        (row, column)
        for row in range(photograph.shape[0] - 399)
        for column in range(photograph.shape[1] - 599)
        if np.allclose(photograph[row, column], piece[0, 0], atol=1e-6)
    ]
    assert any(np.allclose(photograph[r : r + 400, c : c + 600], piece, atol=1e-6) for r, c in places)
    for shape in ((5, 427, 600, 3), (5, 400, 640, 3)):  # as high, and as wide, as the photograph
        assert len({piece.tobytes() for piece in pieces(shape, np.random.default_rng(0))}) > 2
    grey = pieces((5, 8, 6, 1), np.random.default_rng(0))
    assert grey.shape == (5, 8, 6, 1)
    assert 0 <= grey.min() < grey.max() <= 1


def test_what_cannot_be_drawn_is_refused(split: Split) -> None:
    with pytest.raises(ValueError, match="mixup mixes them"):
        redraw(split, augment.mixup(0.2), "any", seed=0)
    with pytest.raises(ValueError, match=r"no pieces of 500×8"):
        pieces((1, 500, 8, 1), np.random.default_rng(0))
