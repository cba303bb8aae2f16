"""The networks that every peer builds, described once as data.

A description is a layer: one of the NamedTuples below, or a tuple of layers, which are applied one after another.
Padding is always a number, the same on all four sides: `"SAME"` means other pixels in other libraries. Convolutions
before a BatchNorm have no bias, which the normalization would take away again.
"""

from typing import NamedTuple


class Conv(NamedTuple):
    """Convolution over `(batch, height, width, channels)` with square windows; the kernel is not flipped."""

    features: int
    kernel: int
    strides: int = 1
    padding: int = 0
    bias: bool = True


class BatchNorm(NamedTuple):
    """Batch normalization with a learned scale and bias, an epsilon of 1e-5, keeping 0.9 of the running moments."""


class Relu(NamedTuple):
    """The larger of x and 0."""


class MaxPool(NamedTuple):
    """The largest value under each square window."""

    window: int
    strides: int
    padding: int = 0


class GlobalAvgPool(NamedTuple):
    """The mean of each channel over the whole image."""


class Flatten(NamedTuple):
    """All axes but the batch's as one."""


class Dense(NamedTuple):
    """A matrix product and a bias."""

    features: int


class Residual(NamedTuple):
    """What `main` gives plus what `shortcut` gives; an empty shortcut is the identity."""

    main: tuple["Layer", ...]
    shortcut: tuple["Layer", ...] = ()


Layer = Conv | BatchNorm | Relu | MaxPool | GlobalAvgPool | Flatten | Dense | Residual | tuple["Layer", ...]


class Net(NamedTuple):
    """A network, and what it is trained on."""

    layers: tuple[Layer, ...]
    shape: tuple[int, ...]
    """Of one input: `(height, width, channels)`, or `(features,)`."""
    batch: int
    classes: int = 10


def _normalized(features: int, kernel: int, strides: int = 1) -> tuple[Layer, ...]:
    """A convolution that keeps the size (at a stride of 1) and a BatchNorm."""
    return Conv(features, kernel, strides, (kernel - 1) // 2, bias=False), BatchNorm()


def _mlp() -> tuple[Layer, ...]:
    return Dense(512), Relu(), Dense(512), Relu(), Dense(10)


def _lenet5() -> tuple[Layer, ...]:
    features = (Conv(6, 5, padding=2), Relu(), MaxPool(2, 2), Conv(16, 5, padding=2), Relu(), MaxPool(2, 2))
    return (*features, Flatten(), Dense(120), Relu(), Dense(84), Relu(), Dense(10))


def _cnn() -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for width in (64, 64, "pool", 128, 128, "pool", 256):
        layers += [MaxPool(2, 2)] if isinstance(width, str) else [Conv(width, 3, padding=1), Relu()]
    return (*layers, GlobalAvgPool(), Dense(10))


def _vgg11() -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for width in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"):
        layers += [MaxPool(2, 2)] if isinstance(width, str) else [*_normalized(width, 3), Relu()]
    return (*layers, Flatten(), Dense(10))


def _basic(features: int, strides: int, project: bool) -> tuple[Layer, ...]:
    """A residual block of two 3×3 convolutions (He et al. 2015, figure 5 left)."""
    main = (*_normalized(features, 3, strides), Relu(), *_normalized(features, 3))
    return Residual(main, _normalized(features, 1, strides) if project else ()), Relu()


def _bottleneck(features: int, strides: int, project: bool) -> tuple[Layer, ...]:
    """A residual block of 1×1, 3×3 and 1×1 convolutions, the stride in the 3×3 (version 1.5)."""
    main = (
        *_normalized(features, 1),
        Relu(),
        *_normalized(features, 3, strides),
        Relu(),
        *_normalized(4 * features, 1),
    )
    return Residual(main, _normalized(4 * features, 1, strides) if project else ()), Relu()


def _resnet18() -> tuple[Layer, ...]:
    layers: list[Layer] = [*_normalized(64, 3), Relu()]
    for stage, features in enumerate((64, 128, 256, 512)):
        for block in range(2):
            first = stage > 0 and block == 0
            layers += _basic(features, strides=2 if first else 1, project=first)
    return (*layers, GlobalAvgPool(), Dense(10))


def _resnet50() -> tuple[Layer, ...]:
    layers: list[Layer] = [*_normalized(64, 7, 2), Relu(), MaxPool(3, 2, 1)]
    for stage, (features, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            layers += _bottleneck(features, strides=2 if stage > 0 and block == 0 else 1, project=block == 0)
    return (*layers, GlobalAvgPool(), Dense(1000))


NETS = {
    "mlp": Net(_mlp(), (784,), 128),
    "lenet5": Net(_lenet5(), (28, 28, 1), 128),
    "cnn": Net(_cnn(), (32, 32, 3), 64),
    "vgg11": Net(_vgg11(), (32, 32, 3), 32),
    "resnet18": Net(_resnet18(), (32, 32, 3), 32),
    "resnet50": Net(_resnet50(), (224, 224, 3), 8, classes=1000),
}
"""By name: the MLP, LeNet-5 (LeCun et al. 1998) with max pools, a plain CNN without BatchNorm, VGG-11 with BatchNorm
(Simonyan & Zisserman 2014, arXiv 1409.1556), ResNet-18 with the stem for CIFAR and ResNet-50 version 1.5 (He et al.
2015, arXiv 1512.03385)."""
