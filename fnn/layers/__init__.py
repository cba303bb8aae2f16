"""The layers: CamelCase names make layers, or are layers where there is nothing to choose."""

from fnn.layer import Identity
from fnn.layers.activation import (
    Elu,
    Gelu,
    HardTanh,
    LeakyRelu,
    LogSoftmax,
    Relu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
)
from fnn.layers.convolution import Conv, ConvTranspose
from fnn.layers.dropout import Dropout
from fnn.layers.linear import Dense, Maxout, RadialBasis
from fnn.layers.normalization import BatchNorm, GroupNorm, LayerNorm
from fnn.layers.pooling import AvgPool, Flatten, GlobalAvgPool, MaxPool, Subsample, SumPool

__all__ = [
    "AvgPool",
    "BatchNorm",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Dropout",
    "Elu",
    "Flatten",
    "Gelu",
    "GlobalAvgPool",
    "GroupNorm",
    "HardTanh",
    "Identity",
    "LayerNorm",
    "LeakyRelu",
    "LogSoftmax",
    "MaxPool",
    "Maxout",
    "RadialBasis",
    "Relu",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Softplus",
    "Subsample",
    "SumPool",
    "Tanh",
]
