"""LeNet-5, the convolutional network that read cheques."""

from fnn.combinators import serial
from fnn.layer import Layer
from fnn.layers import AvgPool, Conv, Dense, Dropout, Flatten, Relu
from fnn.ops import Padding


def lenet5(
    classes: int = 10,
    *,
    padding: Padding = "SAME",
    activation: Layer = Relu,
    pool: Layer | None = None,
    dropout: float = 0.0,
) -> Layer:
    """LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition", figure 2).

    Two convolutions of 6 and 16 features, 5×5, each followed by an activation and 2×2 pooling; then dense layers of
    120, 84 and `classes` units. With `padding="VALID"` on 32×32×1 it has the original's sizes throughout and 61,706
    parameters. With `"SAME"`, the default, it works on any image of at least 4×4. Where the original has a scaled
    hyperbolic tangent, a sparsely wired second convolution, a learned factor for each pool and radial basis functions
    at the end, this has what took their place: ReLU, full wiring, plain averages and a dense layer.

    Args:
      classes: how many outputs.
      padding: of the convolutions.
      activation: after each layer but the last; `Tanh` is nearest to the original.
      pool: 2×2 average pooling as in the original by default, or `MaxPool(2)`.
      dropout: the fraction of each hidden dense layer's units that training drops.
    """
    pool = AvgPool(2) if pool is None else pool
    features = serial(
        conv1=Conv(6, 5, padding=padding), act1=activation, pool1=pool,
        conv2=Conv(16, 5, padding=padding), act2=activation, pool2=pool,
    )  # fmt: skip
    head = serial(
        dense1=Dense(120), act1=activation, drop1=Dropout(dropout),
        dense2=Dense(84), act2=activation, drop2=Dropout(dropout),
        dense3=Dense(classes),
    )  # fmt: skip
    return serial(features=features, flatten=Flatten, head=head)
