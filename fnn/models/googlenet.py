"""GoogLeNet: inception blocks, which look at their input through windows of several sizes at once."""

from fnn.combinators import branch, serial
from fnn.layer import Layer
from fnn.layers import BatchNorm, Conv, Dense, Dropout, GlobalAvgPool, MaxPool, Relu

INCEPTIONS = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
"""The paper's table 1: features of 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5 and pool proj."""

_ROUND_UP = ((0, 1), (0, 1))
"""Padding with which a pool also takes the last, smaller window: what PyTorch calls `ceil_mode`."""


def googlenet(classes: int = 1000, *, dropout: float = 0.4, large_kernel: int = 3) -> Layer:
    """GoogLeNet (Szegedy et al. 2014, arXiv 1409.4842, table 1), 6,624,904 parameters as torchvision publishes it.

    As there, each convolution is followed by a BatchNorm (of epsilon 1e-3), in place of the paper's two local response
    normalizations, and there are no auxiliary classifiers. Works on any image of at least 15×15.

    Args:
      classes: how many outputs.
      dropout: the fraction of the last features that training drops.
      large_kernel: the size of the kernels in the paper's column "5×5". The published weights have 3 there, by a
        mistake that was kept (torchvision issue 906); 5 is the paper's, with 7,005,832 parameters.
    """
    return serial(
        features=googlenet_features(large_kernel=large_kernel),
        pool=GlobalAvgPool, drop=Dropout(dropout), head=Dense(classes),
    )  # fmt: skip


def googlenet_features(*, large_kernel: int = 3) -> Layer:
    """What stands under `features` in `googlenet`: maps 224×224 images to `(batch, 7, 7, 1024)`."""
    inceptions = {name: inception(*features, large_kernel=large_kernel) for name, features in INCEPTIONS.items()}

    def of_stage(stage: int) -> dict[str, Layer]:
        return {name: layer for name, layer in inceptions.items() if name.startswith(f"inception{stage}")}

    return serial(
        conv1=_conv(64, 7, strides=2), norm1=_norm(), act1=Relu, pool1=MaxPool(3, strides=2, padding=_ROUND_UP),
        reduce2=_conv(64, 1), reduce_norm2=_norm(), reduce_act2=Relu,
        conv2=_conv(192, 3), norm2=_norm(), act2=Relu, pool2=MaxPool(3, strides=2, padding=_ROUND_UP),
        **of_stage(3), pool3=MaxPool(3, strides=2, padding=_ROUND_UP),
        **of_stage(4), pool4=MaxPool(2, strides=2, padding=_ROUND_UP),
        **of_stage(5),
    )  # fmt: skip


def inception(
    one: int, reduce_three: int, three: int, reduce_five: int, five: int, project: int, *, large_kernel: int = 5
) -> Layer:
    """An inception block with dimension reductions (figure 2b): four branches, concatenated.

    Args:
      one: features of the 1×1 convolution.
      reduce_three: features of the 1×1 before the 3×3.
      three: features of the 3×3.
      reduce_five: features of the 1×1 before the 5×5.
      five: features of the 5×5.
      project: features of the 1×1 after the pool.
      large_kernel: the size of what is called 5×5.
    """

    def reduced(reduce: int, features: int, kernel: int) -> Layer:
        return serial(
            reduce=_conv(reduce, 1), reduce_norm=_norm(), reduce_act=Relu,
            conv=_conv(features, kernel), norm=_norm(), act=Relu,
        )  # fmt: skip

    return branch(
        conv1x1=serial(conv=_conv(one, 1), norm=_norm(), act=Relu),
        conv3x3=reduced(reduce_three, three, 3),
        conv5x5=reduced(reduce_five, five, large_kernel),
        pool_proj=serial(pool=MaxPool(3, strides=1, padding=1), conv=_conv(project, 1), norm=_norm(), act=Relu),
    )


def _conv(features: int, kernel: int, *, strides: int = 1) -> Layer:
    return Conv(features, kernel, strides=strides, padding=kernel // 2, bias=False, kernel_init="he_normal")


def _norm() -> Layer:
    return BatchNorm(epsilon=1e-3)
