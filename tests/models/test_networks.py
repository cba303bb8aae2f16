"""The larger networks: parameter counts as published, trees that read like the papers' tables, sizes that fit."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn import models
from fnn.models.resnet import PadChannels


def shapes(net: fnn.Layer, *x: int) -> Any:
    return jax.eval_shape(net.init, jax.random.key(0), jax.ShapeDtypeStruct(x, jnp.float32))


def output_shape(net: fnn.Layer, *x: int) -> tuple[int, ...]:
    apply = partial(net.apply, train=False)
    return jax.eval_shape(apply, *shapes(net, *x), jax.ShapeDtypeStruct(x, jnp.float32))[0].shape


def passages(net: fnn.Layer, *x: int) -> dict[str, Any]:
    """What each layer is given and makes, by path, in shapes."""
    see = partial(fnn.intermediates, net, train=False)
    return {p.path: p for p in jax.eval_shape(see, *shapes(net, *x), jax.ShapeDtypeStruct(x, jnp.float32))[2]}


def paths(tree: Any) -> list[str]:
    return ["/".join(entry.key for entry in path) for path, _ in jax.tree.leaves_with_path(tree)]


def count(tree: Any) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


# What torchvision publishes, at 224×224×3 with 1000 classes. Those for CIFAR-10 are what the paper rounds to 0.27,
# 0.46, 0.66, 0.85 and 1.7 million. Those of the random wirings say that a seed's wiring never changes; the paper has
# 5.6 million for this size, without saying for which graph.
COUNTS = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "googlenet": 6_624_904,
    "randomly_wired_ws": 5_490_591,
    "randomly_wired_er": 5_703_869,
    "randomly_wired_ba": 5_653_915,
    "resnet20_cifar": 269_722,
    "resnet32_cifar": 464_154,
    "resnet44_cifar": 658_586,
    "resnet56_cifar": 853_018,
    "resnet110_cifar": 1_727_962,
}
LONG = {"resnet101", "randomly_wired_ws", "randomly_wired_er", "randomly_wired_ba", "resnet32_cifar"}
LONG |= {"resnet44_cifar", "resnet56_cifar", "resnet110_cifar"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.thorough] if name in LONG else []) for name in COUNTS]
)
def test_the_parameters_are_as_many_as_published(name: str) -> None:
    size, classes = (32, 10) if name.endswith("cifar") else (224, 1000)
    params, _ = shapes(models.MODELS[name](classes), 1, size, size, 3)
    assert count(params) == COUNTS[name]


def test_every_large_model_is_counted() -> None:
    small = {"linear_classifier", "perceptron", "mlp", "lenet5", "convnet"}
    assert set(models.MODELS) - small == set(COUNTS)


@pytest.mark.thorough
def test_googlenet_as_the_paper_has_it_is_larger() -> None:
    params, _ = shapes(models.googlenet(large_kernel=5), 1, 64, 64, 3)
    assert params["features"]["inception4a"]["conv5x5"]["conv"]["kernel"].shape == (5, 5, 16, 48)
    assert count(params) == 7_005_832


# Sizes inside, at 224×224: the column "output size" of each paper's table.

SIZES = {
    "alexnet": {"conv1": (55, 64), "pool1": (27, 64), "conv2": (27, 192), "pool2": (13, 192), "pool5": (6, 256)},
    "vgg16": {"block1": (112, 64), "block2": (56, 128), "block3": (28, 256), "block4": (14, 512), "block5": (7, 512)},
    "resnet50": {"conv1": (112, 64), "conv2_x": (56, 256), "conv3_x": (28, 512), "conv4_x": (14, 1024),
                 "conv5_x": (7, 2048)},
    "googlenet": {"conv1": (112, 64), "pool1": (56, 64), "conv2": (56, 192), "pool2": (28, 192),
                  "inception3a": (28, 256), "inception3b": (28, 480), "pool3": (14, 480), "inception4a": (14, 512),
                  "inception4b": (14, 512), "inception4c": (14, 512), "inception4d": (14, 528),
                  "inception4e": (14, 832), "pool4": (7, 832), "inception5a": (7, 832), "inception5b": (7, 1024)},
    "randomly_wired_ws": {"conv1": (112, 39), "conv2": (56, 78), "conv3": (28, 78), "conv4": (14, 156),
                          "conv5": (7, 312)},
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_the_stages_have_the_papers_sizes(name: str) -> None:
    fewer = {"nodes": 5} if name.startswith("randomly_wired") else {}
    seen = passages(models.MODELS[name](**fewer), 1, 224, 224, 3)
    for path, (size, channels) in SIZES[name].items():
        assert seen[f"features/{path}"].y.shape == (1, size, size, channels), path
    assert seen["head"].y.shape == (1, 1000)


@pytest.mark.parametrize("name", ["alexnet", "vgg", "resnet", "resnet_cifar", "googlenet", "randomly_wired"])
def test_the_features_are_a_layer_of_their_own_with_the_same_tree(name: str) -> None:
    smaller = {"randomly_wired": {"nodes": 5}, "resnet": {"depth": 18}}.get(name, {})
    whole, features = getattr(models, name)(**smaller), getattr(models, f"{name}_features")(**smaller)
    params, state = shapes(whole, 1, 64, 64, 1)
    assert set(params) == {"features", "head"}
    assert shapes(features, 1, 64, 64, 1) == (params["features"], state.get("features", {}))


# Trees that read like the papers.


def test_the_paths_of_resnet() -> None:
    params, state = shapes(models.resnet(18), 1, 64, 64, 3)
    assert params["features"]["conv1"]["kernel"].shape == (7, 7, 3, 64)
    assert params["features"]["conv4_x"]["block2"]["body"]["conv1"]["kernel"].shape == (3, 3, 256, 256)
    assert params["features"]["conv3_x"]["block1"]["shortcut"]["conv"]["kernel"].shape == (1, 1, 64, 128)
    assert "shortcut" not in params["features"]["conv2_x"]["block1"]
    assert paths(params["head"]) == ["bias", "kernel"]
    assert state["features"]["conv2_x"]["block1"]["body"]["norm2"]["var"].shape == (64,)


def test_the_paths_of_vgg() -> None:
    params, state = shapes(models.vgg(11, batch_norm=True), 1, 224, 224, 3)
    kernels = [path for path in paths(params["features"]) if path.endswith("kernel")]
    names = ["block1/conv1", "block2/conv1", *(f"block{i}/conv{j}" for i in (3, 4, 5) for j in (1, 2))]
    assert kernels == [f"{name}/kernel" for name in names]
    assert params["head"]["dense1"]["kernel"].shape == (7 * 7 * 512, 4096)
    assert len(state["features"]["block5"]) == 2


def test_the_options_for_small_images() -> None:
    assert output_shape(models.resnet(18, 10, small=True), 2, 32, 32, 3) == (2, 10)
    seen = passages(models.resnet(18, 10, small=True), 2, 32, 32, 3)
    assert [seen[f"features/conv{i}_x"].y.shape[1] for i in (2, 3, 4, 5)] == [32, 16, 8, 4]
    assert "features/pool1" not in seen
    params, _ = shapes(models.vgg(16, 10, small=True), 2, 32, 32, 3)
    assert params["head"]["dense"]["kernel"].shape == (512, 10)


@pytest.mark.parametrize(("stride_in", "sizes"), [("3x3", (8, 4, 4)), ("1x1", (4, 4, 4))])
def test_where_a_bottleneck_halves_the_image(stride_in: Any, sizes: tuple[int, ...]) -> None:
    seen = passages(models.resnet_features(50, stride_in=stride_in), 1, 32, 32, 3)
    body = "conv3_x/block1/body"
    assert tuple(seen[f"{body}/conv{i}"].y.shape[1] for i in (1, 2, 3)) == sizes


def test_a_width_scales_every_stage() -> None:
    seen = passages(models.resnet(18, width=8), 1, 64, 64, 3)
    assert [seen[f"features/{name}"].y.shape[-1] for name in ("conv1", "conv2_x", "conv5_x")] == [8, 8, 64]
    seen = passages(models.vgg(11, width=2), 1, 32, 32, 3)
    assert [seen[f"features/block{i}"].y.shape[-1] for i in range(1, 6)] == [2, 4, 8, 16, 16]


# What goes wrong.


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: models.vgg(12), "11, 13, 16, 19, got 12"),
        (lambda: models.resnet(20), "18, 34, 50, 101, 152, got 20"),
        (lambda: models.resnet(50, stride_in="2x2"), "'3x3' or '1x1', got '2x2'"),  # pyright: ignore[reportArgumentType]
        (lambda: models.resnet_cifar(18), "6n \\+ 2, such as 20.*got 18"),
        (lambda: models.resnet_cifar(2), "6n \\+ 2, such as 20.*got 2"),
    ],
)
def test_a_depth_or_option_that_does_not_exist_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize(
    ("name", "size", "place"),
    [("alexnet", 62, "features/pool5"), ("vgg11", 31, "features/block5/pool"), ("googlenet", 14, "features/pool3")],
)
def test_an_image_that_is_too_small_is_refused_where_it_runs_out(name: str, size: int, place: str) -> None:
    net = models.MODELS[name]()
    with pytest.raises(ValueError, match="larger images") as caught:
        shapes(net, 2, size, size, 1)
    assert f"in layer '{place}'" in caught.value.__notes__[0]
    shapes(net, 2, size + 1, size + 1, 1)


# PadChannels, the shortcut without parameters.


def test_new_channels_are_zero_and_stand_last(key: jax.Array) -> None:
    x = jax.random.normal(key, (2, 3, 3, 2))
    y, _ = PadChannels(5).apply({}, {}, x, train=False)
    np.testing.assert_array_equal(y, np.concatenate([x, np.zeros((2, 3, 3, 3))], axis=-1))
    with pytest.raises(ValueError, match=r"at most 1 channels, got \(2, 3, 3, 2\)"):
        PadChannels(1).apply({}, {}, x, train=False)


def test_a_residual_path_of_zeros_leaves_every_second_pixel(key: jax.Array) -> None:
    """Option A by hand: with a body that gives zero, conv3_x is ReLU of the subsampled input, then zeros."""
    net = models.resnet_cifar_features(8, width=2)
    x = jax.random.normal(key, (2, 8, 8, 1))
    params, state = jax.jit(net.init)(key, x)
    for stage in ("conv3_x", "conv4_x"):
        body = params[stage]["block1"]["body"]
        body["norm2"] = jax.tree.map(jnp.zeros_like, body["norm2"])
    _, _, seen = jax.jit(partial(fnn.intermediates, net, train=False))(params, state, x)
    before, after = (next(p.y for p in seen if p.path == path) for path in ("conv2_x", "conv3_x"))
    np.testing.assert_array_equal(after[..., :2], before[:, ::2, ::2])
    np.testing.assert_array_equal(after[..., 2:], jnp.zeros((2, 4, 4, 2)))
