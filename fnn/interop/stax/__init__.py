"""`jax.example_libraries.stax`, name by name: its signatures and semantics, its values for the same keys, and faster.

Convolutions and pools with channels last, BatchNorm over all axes but the last, and biases are computed by `fnn.ops`,
which is fast on the CPU; whatever else stax takes is computed as stax does it. Programs written for stax run unchanged
once they import this. What stax is lenient about stays so; `upgrade` makes a pair of its functions a `fnn.Layer`, which
is strict, and `downgrade` goes the other way.
"""

# stax has no list of its names, so that `from stax import *` also gives the modules that it imports.
import functools
import math

import jax.numpy as jnp
from jax import lax, random
from jax.nn import elu, gelu, leaky_relu, log_softmax, relu, selu, sigmoid, softmax, softplus, standardize
from jax.nn.initializers import glorot_normal, normal, ones, zeros

from fnn.interop.stax.combinators import FanInConcat, FanInSum, FanOut, parallel, serial, shape_dependent
from fnn.interop.stax.convolution import Conv, Conv1DTranspose, ConvTranspose, GeneralConv, GeneralConvTranspose
from fnn.interop.stax.layers import (
    BatchNorm,
    Dense,
    Dropout,
    Elu,
    Exp,
    Flatten,
    Gelu,
    Identity,
    LeakyRelu,
    LogSoftmax,
    Relu,
    Selu,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
    elementwise,
)
from fnn.interop.stax.pooling import AvgPool, MaxPool, SumPool
from fnn.interop.stax.upgrade import downgrade, upgrade

glorot = glorot_normal
randn = normal
logsoftmax = log_softmax

__all__ = [
    # Layers with parameters.
    "BatchNorm",
    "Conv",
    "Conv1DTranspose",
    "ConvTranspose",
    "Dense",
    "GeneralConv",
    "GeneralConvTranspose",
    # Layers without.
    "AvgPool",
    "Dropout",
    "FanInConcat",
    "FanInSum",
    "FanOut",
    "Flatten",
    "Identity",
    "MaxPool",
    "SumPool",
    # Activations.
    "Elu",
    "Exp",
    "Gelu",
    "LeakyRelu",
    "LogSoftmax",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    # Combinators.
    "elementwise",
    "parallel",
    "serial",
    "shape_dependent",
    # What stax exports of JAX, some of it under a second name.
    "elu",
    "functools",
    "gelu",
    "glorot",
    "glorot_normal",
    "jnp",
    "lax",
    "leaky_relu",
    "log_softmax",
    "logsoftmax",
    "math",
    "normal",
    "ones",
    "randn",
    "random",
    "relu",
    "selu",
    "sigmoid",
    "softmax",
    "softplus",
    "standardize",
    "zeros",
    # Not in stax.
    "downgrade",
    "upgrade",
]
