"""fnn: neural networks for JAX in which a layer is two pure functions and nothing else.

    import jax
    import jax.numpy as jnp
    import fnn

    net = fnn.serial(                                            # a network is layers, composed
        conv=fnn.Conv(6, 5), act=fnn.Relu, pool=fnn.MaxPool(2), flat=fnn.Flatten, head=fnn.Dense(10))

    images = jnp.ones((32, 28, 28, 1))
    labels = jnp.zeros(32, jnp.int32)
    params, state = net.init(jax.random.key(0), images)          # nested dicts: params["conv"]["kernel"]

    def loss(params):                                            # a loss is a function, its gradient is jax.grad's
        logits, _ = net.apply(params, state, images, train=True)
        return fnn.losses.softmax_cross_entropy(logits, labels).mean()

    gradient = jax.jit(jax.grad(loss))(params)

Shapes without numbers: `net.init(key, jax.ShapeDtypeStruct((1, 28, 28, 1), jnp.float32))`, or all of it under
`jax.eval_shape`. What changes during a forward pass (BatchNorm's running moments) is in `state`; what is random
(Dropout) takes `key=`. A layer of your own is two functions: see `fnn.stateless`. Read `fnn/layer.py` first.

`fnn.backprop` shows what flows forward and back through any of this; `fnn.check_gradients` checks its derivatives.
`fnn.data.load` gives real images, `fnn.train.fit` trains, `fnn.models` holds the networks of the literature, and
`python -m experiments.classify --help` runs all of it from flags.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fnn import losses, models
from fnn.combinators import (
    branch,
    evaluating,
    frozen,
    graph,
    mixed_precision,
    parallel,
    remat,
    repeat,
    residual,
    serial,
)
from fnn.intermediates import Passage, intermediates
from fnn.layer import ApplyFn, Identity, InitFn, Layer, elementwise, stateless
from fnn.layers import (
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Elu,
    Flatten,
    Gelu,
    GlobalAvgPool,
    GroupNorm,
    HardTanh,
    LayerNorm,
    LeakyRelu,
    LogSoftmax,
    Maxout,
    MaxPool,
    RadialBasis,
    Relu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Subsample,
    SumPool,
    Tanh,
)

if TYPE_CHECKING:
    from fnn import analysis, data, interop, stax, train
    from fnn.analysis import backprop, check, check_gradients, summarize

__version__ = "0.1.0"

__all__ = [
    # The one concept.
    "ApplyFn",
    "InitFn",
    "Layer",
    "Passage",
    "elementwise",
    "intermediates",
    "stateless",
    # Combinators: layers from layers.
    "branch",
    "evaluating",
    "frozen",
    "graph",
    "mixed_precision",
    "parallel",
    "remat",
    "repeat",
    "residual",
    "serial",
    # Layers with parameters.
    "BatchNorm",
    "Conv",
    "ConvTranspose",
    "Dense",
    "GroupNorm",
    "LayerNorm",
    "Maxout",
    "RadialBasis",
    # Layers without.
    "AvgPool",
    "Dropout",
    "Flatten",
    "GlobalAvgPool",
    "Identity",
    "MaxPool",
    "Subsample",
    "SumPool",
    # Activations.
    "Elu",
    "Gelu",
    "HardTanh",
    "LeakyRelu",
    "LogSoftmax",
    "Relu",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Softplus",
    "Tanh",
    # Rooms.
    "losses",
    "models",
    # Rooms, and functions of analysis, that are loaded when they are first asked for.
    "analysis",
    "data",
    "interop",
    "stax",
    "train",
    "backprop",
    "check",
    "check_gradients",
    "summarize",
]


def __getattr__(name: str) -> Any:
    if name in ("analysis", "data", "interop", "stax", "train"):
        return importlib.import_module(f"fnn.{name}")
    if name in ("backprop", "check", "check_gradients", "summarize"):
        return getattr(importlib.import_module("fnn.analysis"), name)
    raise AttributeError(f"module 'fnn' has no attribute {name!r}")
