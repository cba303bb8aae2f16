"""The figures that are published of well-known networks."""

from functools import cache

import jax
import jax.numpy as jnp
import pytest
from analysis.summary import networks

import fnn
from fnn.analysis import Summary

NETWORKS = {
    "alexnet": networks.alexnet,
    "vgg16": networks.vgg16,
    "resnet50": lambda: networks.resnet((3, 4, 6, 3)),
    "resnet50, stride in the first": lambda: networks.resnet((3, 4, 6, 3), stride_in_first=True),
    "resnet152": lambda: networks.resnet((3, 8, 36, 3)),
    "googlenet": networks.googlenet,
}


@cache
def summary_of(name: str) -> Summary:
    return fnn.summarize(NETWORKS[name](), jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32))


@pytest.mark.parametrize(
    ("name", "parameters", "giga_multiply_adds"),
    [
        ("alexnet", 61_100_840, 0.71),
        ("vgg16", 138_357_544, 15.47),
        ("resnet50", 25_557_032, 4.09),
        ("googlenet", 6_624_904, 1.50),
        pytest.param("resnet152", 60_192_808, 11.51, marks=pytest.mark.thorough),
    ],
)
def test_parameters_and_multiply_adds(name: str, parameters: int, giga_multiply_adds: float) -> None:
    summary = summary_of(name)
    assert summary.parameters == parameters
    assert summary.multiply_adds / 1e9 == pytest.approx(giga_multiply_adds, rel=0.01)
    assert 2 * summary.multiply_adds < summary.flops < 2.05 * summary.multiply_adds
    assert summary.notes == ()


@pytest.mark.parametrize(
    ("name", "path", "size", "stride"),
    [
        # Araujo et al. 2019, "Computing receptive fields of convolutional neural networks", and by hand.
        ("alexnet", "max_pool3", 195, 32),
        ("vgg16", "block5/conv3", 196, 16),
        ("vgg16", "block5/max_pool1", 212, 32),
        ("resnet50", "stage4", 427, 32),
        ("resnet50, stride in the first", "stage4", 483, 32),
    ],
)
def test_receptive_fields(name: str, path: str, size: int, stride: int) -> None:
    (row,) = (row for row in summary_of(name).rows if row.path == path)
    field = row.receptive_field
    assert field is not None
    assert field.size == (size, size)
    assert field.stride == (stride, stride)


def test_what_has_no_places_sees_everything() -> None:
    for name, path in (("vgg16", "flat"), ("vgg16", "fc1"), ("resnet50", "pool"), ("resnet50", "head")):
        (row,) = (row for row in summary_of(name).rows if row.path == path)
        field = row.receptive_field
        assert field is not None
        assert (field.whole, field.stride) == ((True, True), (None, None))


def test_a_resnets_shortcuts_skip_every_second_pixel_and_its_stem_none() -> None:
    unseen = {row.path: row.unseen for row in summary_of("resnet50").rows}
    assert unseen["stage2/serial1/residual1/shortcut/conv1"] == (28, 28)  # 1×1, stride 2
    assert unseen["stage2/serial1"] == unseen["stem"] == unseen["stem/conv1"] == (0, 0)
