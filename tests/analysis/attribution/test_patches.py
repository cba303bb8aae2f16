"""Patches are exactly what the unit sees: nothing outside of them changes it, and each pixel in them can."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn import analysis


def network() -> fnn.Layer:
    return fnn.serial(
        conv1=fnn.Conv(2, 3, padding=1), act=fnn.Tanh, pool=fnn.AvgPool(2),
        conv2=fnn.Conv(3, (2, 3), padding=((0, 1), (1, 1))),
    )  # fmt: skip


def test_the_best_places_by_a_loop() -> None:
    random = np.random.default_rng(0)
    maps, images = random.standard_normal((5, 4, 3, 2)), random.random((5, 4, 3, 1))
    field = analysis.ReceptiveField((1, 1), (1, 1), (0, 0), (False, False))
    top = analysis.top_patches(maps, images, field, count=3)
    for channel in range(2):
        best = sorted(((maps[i, ..., channel].max(), i) for i in range(5)), reverse=True)[:3]
        assert [(a, i) for a, i in zip(top.activations[channel], top.images[channel], strict=True)] == best
        for place in range(3):
            image, row, column = (of[channel, place] for of in (top.images, top.rows, top.columns))
            assert maps[image, row, column, channel] == top.activations[channel, place]
            assert top.patches[channel, place] == images[image, row, column]


def test_patches_are_what_the_receptive_field_sees(key: jax.Array) -> None:
    net = network()
    images = np.random.default_rng(0).random((6, 9, 8, 1), np.float32)
    params, state = net.init(key, images)
    rows = analysis.summarize(net, images[:1]).rows
    field = next(row.receptive_field for row in rows if row.path == "conv2")
    assert field is not None
    maps = np.asarray(net.apply(params, state, jnp.asarray(images), train=False)[0])
    top = analysis.top_patches(maps, images, field, count=4)
    height, width = field.size
    assert top.patches.shape == (3, 4, height, width, 1)

    @jax.jit
    def seen(image: jax.Array, row: int, column: int, channel: int) -> jax.Array:
        return (
            jax.grad(lambda x: net.apply(params, state, x[None], train=False)[0][0, row, column, channel])(image) != 0
        )

    hung_over = 0
    for channel, place in np.ndindex(3, 4):
        image, row, column = (int(of[channel, place]) for of in (top.images, top.rows, top.columns))
        inside = np.argwhere(np.asarray(seen(jnp.asarray(images[image]), row, column, channel))[..., 0])
        (first, left), (last, right) = inside.min(axis=0), inside.max(axis=0)
        patch = top.patches[channel, place, ..., 0]
        real = patch[~np.isnan(patch).all(axis=1)][:, ~np.isnan(patch).all(axis=0)]
        np.testing.assert_array_equal(real, images[image, first : last + 1, left : right + 1, 0])
        hung_over += real.shape != patch.shape
    assert hung_over > 0


def test_a_layer_that_sees_everything_sees_the_image(key: jax.Array) -> None:
    images = np.random.default_rng(0).random((3, 5, 4, 1), np.float32)
    field = analysis.ReceptiveField((5, 4), (None, None), (2.0, 1.5), (True, True))
    np.testing.assert_array_equal(analysis.seen_from(images[1], field, 0, 0), images[1])


def test_what_cannot_be_cut_out_is_refused() -> None:
    maps, images = np.zeros((2, 3, 3, 1)), np.zeros((2, 6, 6, 1))
    with pytest.raises(ValueError, match="one window of whole pixels"):
        analysis.top_patches(maps, images, analysis.ReceptiveField((3, 3), (0.5, 0.5), (0.25, 0), (False,) * 2), 1)
    with pytest.raises(ValueError, match="at least 3 images"):
        analysis.top_patches(maps, images, analysis.ReceptiveField((1, 1), (1, 1), (0, 0), (False,) * 2), 3)
    with pytest.raises(ValueError, match="maps"):
        analysis.top_patches(maps, images[:1], analysis.ReceptiveField((1, 1), (1, 1), (0, 0), (False,) * 2), 1)
