"""The small example ConvNet of the lectures."""

from fnn.combinators import serial
from fnn.layer import Layer
from fnn.layers import Conv, Dense, Dropout, Flatten, MaxPool, Relu


def convnet(classes: int = 10, *, filters: int = 10, dropout: float = 0.0) -> Layer:
    """Three times conv-relu-conv-relu-pool, then one dense layer: 3×3 kernels, padding 1, 2×2 max pooling.

    Works on any image of at least 8×8.

    Args:
      classes: how many outputs.
      filters: the features of every convolution; 10 in the lectures.
      dropout: the fraction of the last features that training drops.

    Reference: Stanford CS231n, lecture "Convolutional neural networks", its example architecture.
    """

    def block() -> Layer:
        return serial(
            conv1=Conv(filters, 3, padding=1, kernel_init="he_normal"), act1=Relu,
            conv2=Conv(filters, 3, padding=1, kernel_init="he_normal"), act2=Relu,
            pool=MaxPool(2),
        )  # fmt: skip

    features = serial(block1=block(), block2=block(), block3=block())
    return serial(features=features, flatten=Flatten, drop=Dropout(dropout), head=Dense(classes))
