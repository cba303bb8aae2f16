"""VGG: nothing but 3×3 convolutions, and many of them."""

from fnn.combinators import serial
from fnn.layer import Layer
from fnn.layers import BatchNorm, Conv, Dense, Dropout, Flatten, MaxPool, Relu

CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""How many convolutions stand in each of the five blocks: columns A, B, D and E of the paper's table 1."""


def vgg(
    depth: int = 16,
    classes: int = 1000,
    *,
    batch_norm: bool = False,
    small: bool = False,
    width: int = 64,
    dropout: float = 0.5,
) -> Layer:
    """VGG (Simonyan & Zisserman 2014, arXiv 1409.1556, table 1); VGG-16 has 138,357,544 parameters.

    Five blocks of 3×3 convolutions, each followed by 2×2 max pooling, then three dense layers. Works on any image of
    at least 32×32; the first dense layer's size follows the image.

    Args:
      depth: 11, 13, 16 or 19 learnable layers.
      classes: how many outputs.
      batch_norm: whether a BatchNorm follows each convolution, as in torchvision's `vgg16_bn`; the paper has none.
      small: whether one dense layer takes the place of the three, as is usual for 32×32 images, of which the blocks
        leave one pixel.
      width: the features of the first block; they double from block to block up to eight times as many.
      dropout: the fraction of each dense layer's inputs that training drops, but for the first of three.

    Raises:
      ValueError: if there is no such depth.
    """
    if small:
        head = serial(drop=Dropout(dropout), dense=Dense(classes))
    else:
        head = serial(
            dense1=Dense(4096, kernel_init="he_normal"), act1=Relu, drop1=Dropout(dropout),
            dense2=Dense(4096, kernel_init="he_normal"), act2=Relu, drop2=Dropout(dropout),
            dense3=Dense(classes),
        )  # fmt: skip
    return serial(features=vgg_features(depth, batch_norm=batch_norm, width=width), flatten=Flatten, head=head)


def vgg_features(depth: int = 16, *, batch_norm: bool = False, width: int = 64) -> Layer:
    """What stands under `features` in `vgg`: maps 224×224 images to `(batch, 7, 7, 512)`. Arguments as `vgg`'s."""
    if depth not in CONVOLUTIONS:
        raise ValueError(f"vgg expects a depth of {', '.join(map(str, CONVOLUTIONS))}, got {depth!r}.")

    def block(convolutions: int, features: int) -> Layer:
        layers: dict[str, Layer] = {}
        for i in range(1, convolutions + 1):
            layers[f"conv{i}"] = Conv(features, 3, padding=1, kernel_init="he_normal")
            if batch_norm:
                layers[f"norm{i}"] = BatchNorm()
            layers[f"act{i}"] = Relu
        return serial(**layers, pool=MaxPool(2))

    blocks = enumerate(CONVOLUTIONS[depth])
    return serial(**{f"block{i + 1}": block(number, width * min(2**i, 8)) for i, number in blocks})
