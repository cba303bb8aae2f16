"""AlexNet, the network that won ImageNet in 2012."""

from fnn.combinators import serial
from fnn.layer import Layer
from fnn.layers import Conv, Dense, Dropout, Flatten, MaxPool, Relu


def alexnet(classes: int = 1000, *, dropout: float = 0.5, hidden: int = 4096) -> Layer:
    """AlexNet in one tower: eight learnable layers, 61,100,840 parameters for 224×224×3 and 1000 classes.

    Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks", split over two GPUs; in
    one tower and without local response normalization it is the network of Krizhevsky 2014, arXiv 1404.5997, which
    torchvision publishes. Works on any image of at least 63×63; the first dense layer's size follows the image.

    Args:
      classes: how many outputs.
      dropout: the fraction that training drops before each hidden dense layer.
      hidden: the units of each hidden dense layer.
    """
    head = serial(
        drop1=Dropout(dropout), dense1=Dense(hidden, kernel_init="he_normal"), act1=Relu,
        drop2=Dropout(dropout), dense2=Dense(hidden, kernel_init="he_normal"), act2=Relu,
        dense3=Dense(classes),
    )  # fmt: skip
    return serial(features=alexnet_features(), flatten=Flatten, head=head)


def alexnet_features() -> Layer:
    """What stands under `features` in `alexnet`: maps 224×224 images to `(batch, 6, 6, 256)`."""
    return serial(
        conv1=Conv(64, 11, strides=4, padding=2, kernel_init="he_normal"), act1=Relu, pool1=MaxPool(3, strides=2),
        conv2=Conv(192, 5, padding=2, kernel_init="he_normal"), act2=Relu, pool2=MaxPool(3, strides=2),
        conv3=Conv(384, 3, padding=1, kernel_init="he_normal"), act3=Relu,
        conv4=Conv(256, 3, padding=1, kernel_init="he_normal"), act4=Relu,
        conv5=Conv(256, 3, padding=1, kernel_init="he_normal"), act5=Relu, pool5=MaxPool(3, strides=2),
    )  # fmt: skip
