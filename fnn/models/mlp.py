"""Fully connected networks."""

from collections.abc import Sequence

from fnn.combinators import serial
from fnn.layer import Layer
from fnn.layers import Dense, Dropout, Flatten, Relu
from fnn.layers.initializers import Initializer


def mlp(
    classes: int = 10,
    *,
    widths: Sequence[int] = (128, 64),
    activation: Layer = Relu,
    dropout: float = 0.0,
    bias: bool = True,
    kernel_init: Initializer = "he_normal",
) -> Layer:
    """A multilayer perceptron: dense layers with an activation between them.

    Args:
      classes: how many outputs.
      widths: of the hidden layers; `(128, 64)` is what the lectures call a three-layer network.
      activation: after each hidden layer.
      dropout: the fraction of each hidden layer's units that training drops.
      bias: whether the dense layers have biases.
      kernel_init: of the dense layers' kernels; see `Dense`.
    """
    layers: dict[str, Layer] = {"flatten": Flatten}
    for i, width in enumerate(widths, start=1):
        layers[f"dense{i}"] = Dense(width, bias=bias, kernel_init=kernel_init)
        layers[f"act{i}"] = activation
        if dropout:
            layers[f"drop{i}"] = Dropout(dropout)
    return serial(**layers, head=Dense(classes, bias=bias))
