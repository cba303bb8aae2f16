"""Activations. Those without options are layers; those with options are functions that make one.

All are computed so that neither they nor their derivatives overflow or give NaN, at ±1e4 for example.
"""

import jax
import jax.numpy as jnp

from fnn import expect
from fnn.layer import Layer, elementwise, parameterless
from fnn.ops import widen

Relu = elementwise(jax.nn.relu, name="relu")
"""`max(0, x)`, with derivative 0 at 0 (Nair & Hinton 2010)."""

Sigmoid = elementwise(jax.nn.sigmoid, name="sigmoid")
"""`1 / (1 + exp(−x))`."""

Tanh = elementwise(jnp.tanh, name="tanh")
"""`(exp(x) − exp(−x)) / (exp(x) + exp(−x))`."""

HardTanh = elementwise(jax.nn.hard_tanh, name="hard_tanh")
"""`x` bounded to [−1, 1]."""

Softplus = elementwise(jax.nn.softplus, name="softplus")
"""`log(1 + exp(x))`, a smooth ReLU whose derivative is the sigmoid (Dugas et al. 2000)."""

Softmax = parameterless(
    lambda x: expect.array(x, "Softmax", "(…, classes)", range(1, 9)),
    lambda x: jax.nn.softmax(widen(x), axis=-1).astype(x.dtype),
    name="softmax",
)
"""`exp(x_i) / Σ_j exp(x_j)` over the last axis, computed in at least float32."""

LogSoftmax = parameterless(
    lambda x: expect.array(x, "LogSoftmax", "(…, classes)", range(1, 9)),
    lambda x: jax.nn.log_softmax(widen(x), axis=-1).astype(x.dtype),
    name="log_softmax",
)
"""The logarithm of `Softmax`, without taking the logarithm of a zero."""

Gelu = elementwise(lambda x: jax.nn.gelu(x, approximate=False), name="gelu")
"""`x Φ(x)` with the normal distribution function Φ, exact (Hendrycks & Gimpel 2016, arXiv 1606.08415)."""

Silu = elementwise(jax.nn.silu, name="silu")
"""`x · sigmoid(x)`, also called swish (Elfwing et al. 2017, arXiv 1702.03118)."""


def LeakyRelu(slope: float = 0.1) -> Layer:
    """`x` where positive, `slope · x` elsewhere (Maas et al. 2013). The lectures write `max(0.1x, x)`."""
    slope = float(slope)  # a NumPy number would promote narrow inputs
    return elementwise(lambda x: jax.nn.leaky_relu(x, slope), name="leaky_relu")


def Elu(alpha: float = 1.0) -> Layer:
    """`x` where positive, `alpha · (exp(x) − 1)` elsewhere (Clevert et al. 2015, arXiv 1511.07289)."""
    alpha = float(alpha)
    return elementwise(lambda x: jax.nn.elu(x, alpha), name="elu")
