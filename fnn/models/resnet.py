"""Residual networks, for ImageNet and for CIFAR."""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from fnn import expect
from fnn.combinators import residual, serial
from fnn.layer import Identity, Layer, parameterless
from fnn.layers import BatchNorm, Conv, Dense, GlobalAvgPool, MaxPool, Relu, Subsample

BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
"""How many blocks stand in conv2_x to conv5_x: the paper's table 1. From 50 layers on they are bottlenecks."""

StrideIn = Literal["3x3", "1x1"]


def resnet(
    depth: int = 50,
    classes: int = 1000,
    *,
    small: bool = False,
    width: int = 64,
    stride_in: StrideIn = "3x3",
) -> Layer:
    """ResNet (He et al. 2015, arXiv 1512.03385, table 1); ResNet-50 has 25,557,032 parameters.

    Works on images of any size; at least 32×32 leaves every stage more than padding to look at.

    Args:
      depth: 18, 34, 50, 101 or 152 learnable layers.
      classes: how many outputs.
      small: whether the stem is one 3×3 convolution of stride 1, as is usual for 32×32 images, instead of a 7×7 of
        stride 2 and max pooling.
      width: the features of conv1 and conv2_x; they double from stage to stage.
      stride_in: which convolution of a bottleneck halves the image: the 3×3, as in torchvision and in NVIDIA's
        "version 1.5", or the first 1×1, as in the paper. Both have the same parameters.

    Raises:
      ValueError: if there is no such depth.
    """
    features = resnet_features(depth, small=small, width=width, stride_in=stride_in)
    return serial(features=features, pool=GlobalAvgPool, head=Dense(classes))


def resnet_features(depth: int = 50, *, small: bool = False, width: int = 64, stride_in: StrideIn = "3x3") -> Layer:
    """What stands under `features` in `resnet`: maps 224×224 images to `(batch, 7, 7, 512)`, from ResNet-50 on to
    2048 channels. Arguments as `resnet`'s.
    """
    if depth not in BLOCKS:
        raise ValueError(f"resnet expects a depth of {', '.join(map(str, BLOCKS))}, got {depth!r}.")
    if stride_in not in ("3x3", "1x1"):
        raise ValueError(f"resnet expects stride_in='3x3' or '1x1', got {stride_in!r}.")

    def block(features: int, strides: int, first: bool) -> Layer:
        if depth < 50:
            return residual(_basic(features, strides), _projection(features, strides) if strides > 1 else Identity)
        body = _bottleneck(features, strides, stride_in)
        return residual(body, _projection(4 * features, strides) if first else Identity)

    def stage(blocks: int, features: int, strides: int) -> Layer:
        return _stage([block(features, strides if i == 0 else 1, i == 0) for i in range(blocks)])

    two, three, four, five = BLOCKS[depth]
    stem: dict[str, Layer] = {"conv1": _conv(width, 7, 2), "norm1": BatchNorm(), "act1": Relu}
    stem |= {"conv1": _conv(width, 3)} if small else {"pool1": MaxPool(3, strides=2, padding=1)}
    return serial(
        **stem,
        conv2_x=stage(two, width, 1),
        conv3_x=stage(three, 2 * width, 2),
        conv4_x=stage(four, 4 * width, 2),
        conv5_x=stage(five, 8 * width, 2),
    )


def resnet_cifar(depth: int = 20, classes: int = 10, *, width: int = 16) -> Layer:
    """ResNet for CIFAR (He et al. 2015, arXiv 1512.03385, section 4.2); ResNet-20 has 269,722 parameters.

    A 3×3 convolution and three stages of n blocks with 16, 32 and 64 features. All shortcuts are without parameters:
    where a stage halves the image, every second pixel, the new channels zero (option A).

    Args:
      depth: 6n + 2 learnable layers: 20, 32, 44, 56 and 110 in the paper.
      classes: how many outputs.
      width: the features of the first stage; they double from stage to stage.

    Raises:
      ValueError: if the depth is not 6n + 2.
    """
    return serial(features=resnet_cifar_features(depth, width=width), pool=GlobalAvgPool, head=Dense(classes))


def resnet_cifar_features(depth: int = 20, *, width: int = 16) -> Layer:
    """What stands under `features` in `resnet_cifar`: maps 32×32 images to `(batch, 8, 8, 64)`."""
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"resnet_cifar expects a depth of 6n + 2, such as 20, 32, 44, 56 or 110, got {depth!r}.")

    def stage(features: int, strides: int) -> Layer:
        half = serial(subsample=Subsample(2), pad=PadChannels(features)) if strides > 1 else Identity
        first = residual(_basic(features, strides), half)
        return _stage([first] + [residual(_basic(features, 1))] * (depth // 6 - 1))

    return serial(
        conv1=_conv(width, 3), norm1=BatchNorm(), act1=Relu,
        conv2_x=stage(width, 1), conv3_x=stage(2 * width, 2), conv4_x=stage(4 * width, 2),
    )  # fmt: skip


def PadChannels(channels: int) -> Layer:
    """Adds channels of zeros after those of `x` until there are `channels`."""

    def check(x: Any) -> jax.Array:
        x = expect.array(x, "PadChannels", "(batch, …, channels)", range(2, 9))
        if x.shape[-1] > channels:
            raise ValueError(f"PadChannels expects x of at most {channels} channels, got {tuple(x.shape)}.")
        return x

    def pad(x: jax.Array) -> jax.Array:
        return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, channels - x.shape[-1])])

    return parameterless(check, pad, name="pad_channels")


def _conv(features: int, kernel: int, strides: int = 1) -> Layer:
    return Conv(features, kernel, strides=strides, padding=kernel // 2, bias=False, kernel_init="he_normal")


def _basic(features: int, strides: int) -> Layer:
    """Two 3×3 convolutions: figure 5, left."""
    return serial(
        conv1=_conv(features, 3, strides), norm1=BatchNorm(), act1=Relu,
        conv2=_conv(features, 3), norm2=BatchNorm(),
    )  # fmt: skip


def _bottleneck(features: int, strides: int, stride_in: StrideIn) -> Layer:
    """1×1, 3×3 and 1×1 convolutions: figure 5, right."""
    first, second = (strides, 1) if stride_in == "1x1" else (1, strides)
    return serial(
        conv1=_conv(features, 1, first), norm1=BatchNorm(), act1=Relu,
        conv2=_conv(features, 3, second), norm2=BatchNorm(), act2=Relu,
        conv3=_conv(4 * features, 1), norm3=BatchNorm(),
    )  # fmt: skip


def _projection(features: int, strides: int) -> Layer:
    """The shortcut where the shape changes: eq. 2, option B."""
    return serial(conv=_conv(features, 1, strides), norm=BatchNorm())


def _stage(blocks: list[Layer]) -> Layer:
    """Residual blocks one after another, a ReLU after each addition."""
    layers: dict[str, Layer] = {}
    for i, block in enumerate(blocks, start=1):
        layers |= {f"block{i}": block, f"act{i}": Relu}
    return serial(**layers)
