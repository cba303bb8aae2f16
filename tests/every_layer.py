"""One list of every layer of fnn, each with an input that it takes: what the laws of `fnn.check` run over.

Keys are (public name, variant), so that a public name without an entry can be found. A model's public name is its
function's, whatever the depths under which `MODELS` has it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnn
from fnn import models


class Entry(NamedTuple):
    """A layer, the shape of its input or a pytree of shapes, and what the laws must know about it."""

    layer: fnn.Layer
    shape: Any
    random: bool = False
    """Whether training draws random numbers, and so needs a key."""
    told: dict[str, Any] = {}  # noqa: RUF012
    """What `fnn.check` must be told: the options for what the layer does on purpose."""
    thorough: bool = False
    """Whether the laws take so long on it that only `--thorough` runs them."""


BATCH, NARROW, FROZEN = {"batch_dependent": True}, {"narrow": True}, {"without_gradient": True}
UNSTACKED = {"skip": ["variance survives 30 copies"]}
"""For layers of which nobody would build a stack: a Gaussian of a Gaussian, a sum of two, images that are all border.

So it is for BatchNorm before a ReLU, whose gradients grow by π / (π − 1) a layer (Yang et al. 2019, arXiv 1902.08129).
"""

DEEP = {"tolerance": 1e-3, "skip": ["derivatives agree", "second derivatives exist"]}
"""For whole networks: roundings grow through many divisions by a small batch's deviation, and finite differences meet
the kinks of thousands of ReLUs. The derivatives of a composition are those of its parts, which are examined."""

VECTOR, IMAGE = (4, 6), (2, 5, 6, 4)


def example(shape: Any) -> Any:
    """Returns normally distributed float32 numbers for a shape or a pytree of shapes, twice along a new first axis."""
    random = np.random.default_rng(7)  # NumPy has no program to compile for each shape
    draw = lambda leaf: random.standard_normal((2, *leaf), np.float32)  # noqa: E731
    return jax.tree.map(draw, shape, is_leaf=is_shape)


def is_shape(tree: Any) -> bool:
    return isinstance(tree, tuple) and all(isinstance(size, int) for size in tree)


def shapes_of(entry: Entry) -> Any:
    """What the layer is given, float32, as `jax.ShapeDtypeStruct`."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf, jnp.float32), entry.shape, is_leaf=is_shape)


def everything() -> fnn.Layer:
    """Parameters, state and randomness in one block that keeps its shape."""
    return fnn.serial(fnn.Dense(6), fnn.BatchNorm(), fnn.Relu, fnn.Dropout(0.3))


def block() -> fnn.Layer:
    """The same for images."""
    return fnn.serial(fnn.Conv(4, 3, bias=False), fnn.BatchNorm(), fnn.Relu, fnn.Dropout(0.3))


def siamese() -> fnn.Layer:
    encode = fnn.serial(fnn.Dense(5), fnn.BatchNorm(), fnn.Dropout(0.3))
    wires = {"a": ("encode", "left"), "b": ("encode", "right"), "y": (jnp.subtract, "a", "b")}
    return fnn.graph(wires, inputs=("left", "right"), output=("y", "b"), encode=encode)


def diamond() -> fnn.Layer:
    wires = {"h": ("stem", "x"), "l": ("left", "h"), "r": ("norm", "h"), "y": (jnp.add, "l", "r")}
    return fnn.graph(wires, stem=fnn.Dense(5), left=fnn.Dense(5), norm=fnn.LayerNorm())


def complete(nodes: int, name: str) -> tuple[tuple[int, int], ...]:
    """The graph in which every node is wired to every later one."""
    return tuple((i, j) for i in range(nodes) for j in range(i + 1, nodes))


_LAYERS: dict[tuple[str, str], Entry] = {
    # With parameters.
    ("Dense", "bias"): Entry(fnn.Dense(3), VECTOR),
    ("Dense", "no bias"): Entry(fnn.Dense(3, bias=False), VECTOR),
    ("Dense", "random bias"): Entry(fnn.Dense(3, kernel_init="orthogonal", bias_init="normal"), VECTOR),
    ("Dense", "one vector"): Entry(fnn.Dense(3), (6,)),
    ("Dense", "sequence"): Entry(fnn.Dense(3), (2, 3, 6)),
    ("Conv", "2-D"): Entry(fnn.Conv(3, 3), IMAGE),
    ("Conv", "1-D"): Entry(fnn.Conv(3, 3), (2, 6, 4)),
    ("Conv", "3-D"): Entry(fnn.Conv(2, 2), (2, 3, 4, 3, 2), told=UNSTACKED),
    ("Conv", "1x1"): Entry(fnn.Conv(3, 1, bias=False), IMAGE),
    ("Conv", "valid, strided"): Entry(fnn.Conv(3, (3, 2), strides=(2, 1), padding="VALID"), IMAGE),
    ("Conv", "number padding, dilated"): Entry(fnn.Conv(3, 3, padding=2, dilation=2), IMAGE, told=UNSTACKED),
    ("Conv", "pairs of padding"): Entry(fnn.Conv(3, 3, padding=((0, 1), (2, 0))), IMAGE),
    ("Conv", "groups"): Entry(fnn.Conv(4, 3, groups=2), IMAGE),
    ("Conv", "depthwise, strided"): Entry(fnn.Conv(4, 3, groups=4, strides=2), IMAGE),
    ("ConvTranspose", "2-D"): Entry(fnn.ConvTranspose(3, 3, strides=2), IMAGE),
    ("ConvTranspose", "1-D, valid"): Entry(fnn.ConvTranspose(3, 4, strides=3, padding="VALID"), (2, 4, 4)),
    ("ConvTranspose", "groups, dilated, no bias"): Entry(
        fnn.ConvTranspose(4, 2, dilation=2, groups=2, padding=1, bias=False), IMAGE
    ),
    ("Maxout", "2 pieces"): Entry(fnn.Maxout(3), VECTOR),
    ("Maxout", "3 pieces"): Entry(fnn.Maxout(2, 3), (2, 3, 6)),
    ("RadialBasis", "default"): Entry(fnn.RadialBasis(3, sigma=2.0), VECTOR, told=UNSTACKED),
    ("RadialBasis", "images"): Entry(fnn.RadialBasis(2, sigma=3.0), IMAGE, told=UNSTACKED),
    # Normalization.
    ("BatchNorm", "vectors"): Entry(fnn.BatchNorm(), VECTOR, told=BATCH),
    ("BatchNorm", "images"): Entry(fnn.BatchNorm(momentum=0.5), IMAGE, told=BATCH),
    ("BatchNorm", "no parameters"): Entry(fnn.BatchNorm(scale=False, bias=False), IMAGE, told=BATCH),
    ("LayerNorm", "images"): Entry(fnn.LayerNorm(), IMAGE),
    ("LayerNorm", "no bias"): Entry(fnn.LayerNorm(bias=False), VECTOR),
    ("GroupNorm", "2 groups"): Entry(fnn.GroupNorm(2), IMAGE),
    ("GroupNorm", "no scale"): Entry(fnn.GroupNorm(3, scale=False), VECTOR, told=UNSTACKED),
    # Without parameters.
    ("MaxPool", "2x2"): Entry(fnn.MaxPool(2), IMAGE),
    ("MaxPool", "same, overlapping"): Entry(fnn.MaxPool(3, strides=2, padding="SAME"), IMAGE),
    ("MaxPool", "1-D"): Entry(fnn.MaxPool(2), (2, 6, 3)),
    ("AvgPool", "2x2"): Entry(fnn.AvgPool(2), IMAGE),
    ("AvgPool", "padding"): Entry(fnn.AvgPool(3, strides=1, padding=1), IMAGE),
    ("AvgPool", "padding counts"): Entry(fnn.AvgPool((3, 2), padding=((1, 1), (0, 1)), count_padding=True), IMAGE),
    ("SumPool", "2x2"): Entry(fnn.SumPool(2), IMAGE),
    ("SumPool", "same, 3-D"): Entry(fnn.SumPool(2, padding="SAME"), (2, 3, 4, 3, 2)),
    ("Subsample", "2"): Entry(fnn.Subsample(), IMAGE),
    ("Subsample", "3, 1"): Entry(fnn.Subsample((3, 1)), IMAGE),
    ("GlobalAvgPool", ""): Entry(fnn.GlobalAvgPool, IMAGE),
    ("Flatten", ""): Entry(fnn.Flatten, IMAGE),
    ("Dropout", "half"): Entry(fnn.Dropout(), VECTOR, random=True),
    ("Dropout", "0.1"): Entry(fnn.Dropout(0.1), IMAGE, random=True),
    ("Dropout", "0"): Entry(fnn.Dropout(0.0), VECTOR),
    ("Identity", ""): Entry(fnn.Identity, VECTOR),
    # Activations.
    ("Relu", ""): Entry(fnn.Relu, VECTOR),
    ("LeakyRelu", "default"): Entry(fnn.LeakyRelu(), VECTOR),
    ("LeakyRelu", "0.3"): Entry(fnn.LeakyRelu(0.3), IMAGE),
    ("Elu", "default"): Entry(fnn.Elu(), VECTOR),
    ("Elu", "2"): Entry(fnn.Elu(2.0), VECTOR),
    ("Sigmoid", ""): Entry(fnn.Sigmoid, VECTOR),
    ("Tanh", ""): Entry(fnn.Tanh, VECTOR),
    ("HardTanh", ""): Entry(fnn.HardTanh, VECTOR),
    ("Softplus", ""): Entry(fnn.Softplus, VECTOR),
    ("Softmax", ""): Entry(fnn.Softmax, VECTOR),
    ("LogSoftmax", ""): Entry(fnn.LogSoftmax, VECTOR),
    ("Gelu", ""): Entry(fnn.Gelu, VECTOR),
    ("Silu", ""): Entry(fnn.Silu, VECTOR),
}

_COMBINATORS: dict[tuple[str, str], Entry] = {
    ("serial", "one layer"): Entry(fnn.serial(fnn.Dense(3)), VECTOR),
    ("serial", "no parameters"): Entry(fnn.serial(fnn.Relu, fnn.Tanh), VECTOR),
    ("serial", "named and nested"): Entry(
        fnn.serial(body=fnn.serial(conv=fnn.Conv(3, 3), norm=fnn.BatchNorm(), act=fnn.Relu), flat=fnn.Flatten),
        IMAGE,
        told=BATCH,
    ),
    ("serial", "everything"): Entry(everything(), VECTOR, True, BATCH | UNSTACKED),
    ("serial", "a function"): Entry(fnn.serial(fnn.Dense(3), fnn.elementwise(jnp.sin)), VECTOR),
    ("parallel", "two"): Entry(fnn.parallel(fnn.Dense(3), fnn.BatchNorm()), (VECTOR, IMAGE), told=BATCH),
    ("parallel", "nested"): Entry(
        fnn.parallel(left=fnn.parallel(fnn.Dense(2), fnn.Relu), right=fnn.Dropout()), ((VECTOR, VECTOR), IMAGE), True
    ),
    ("branch", "concatenate"): Entry(fnn.branch(fnn.Conv(2, 1), fnn.MaxPool(3, strides=1, padding="SAME")), IMAGE),
    ("branch", "sum"): Entry(fnn.branch(fnn.Dense(3), fnn.Dense(3), join="sum"), VECTOR, told=UNSTACKED),
    ("branch", "function"): Entry(
        fnn.branch(a=everything(), b=fnn.Identity, join=lambda y: y[0] * y[1]), VECTOR, True, BATCH | UNSTACKED
    ),
    ("branch", "tuple"): Entry(fnn.branch(fnn.Dense(3), fnn.Relu, join=tuple), VECTOR),
    ("residual", "identity"): Entry(fnn.residual(block()), IMAGE, True, BATCH),
    ("residual", "projection"): Entry(
        fnn.residual(fnn.Conv(3, 3, strides=2), shortcut=fnn.Conv(3, 1, strides=2)), IMAGE
    ),
    ("graph", "diamond"): Entry(diamond(), VECTOR),
    ("graph", "siamese"): Entry(siamese(), (VECTOR, VECTOR), True, BATCH),
    ("repeat", "scan"): Entry(fnn.repeat(everything(), 3), VECTOR, True, BATCH | UNSTACKED),
    ("repeat", "images"): Entry(fnn.repeat(block(), 2), IMAGE, True, BATCH | UNSTACKED),
    ("repeat", "unrolled"): Entry(fnn.repeat(everything(), 2, unroll=True), VECTOR, True, BATCH | UNSTACKED),
    ("repeat", "one leaf"): Entry(fnn.repeat(fnn.Dense(6), 2), VECTOR),
    ("repeat", "no parameters"): Entry(fnn.repeat(fnn.Tanh, 2), VECTOR),
    ("repeat", "no parameters, unrolled"): Entry(fnn.repeat(fnn.Tanh, 2, unroll=True), VECTOR),
    ("remat", "everything"): Entry(fnn.remat(everything()), VECTOR, True, BATCH | UNSTACKED),
    ("remat", "policy"): Entry(fnn.remat(fnn.Dense(3), jax.checkpoint_policies.dots_saveable), VECTOR),
    ("evaluating", "everything"): Entry(fnn.evaluating(everything()), VECTOR, told=UNSTACKED),
    ("frozen", "everything"): Entry(fnn.frozen(everything()), VECTOR, True, BATCH | FROZEN | UNSTACKED),
    ("mixed_precision", "everything"): Entry(
        fnn.mixed_precision(everything()), VECTOR, True, BATCH | NARROW | UNSTACKED
    ),
    ("mixed_precision", "float16"): Entry(fnn.mixed_precision(fnn.Dense(3), jnp.float16), VECTOR, told=NARROW),
    ("mixed_precision", "pair"): Entry(
        fnn.mixed_precision(fnn.parallel(fnn.Dense(3), fnn.LayerNorm())), (VECTOR, VECTOR), told=NARROW
    ),
}

_MODELS: dict[tuple[str, str], Entry] = {
    ("linear_classifier", ""): Entry(models.linear_classifier(3), IMAGE),
    ("perceptron", "one unit"): Entry(models.perceptron(), VECTOR, told=FROZEN | UNSTACKED),
    ("perceptron", "images"): Entry(models.perceptron(3), IMAGE, told=FROZEN),
    ("mlp", "default"): Entry(models.mlp(3), IMAGE),
    ("mlp", "dropout, no bias"): Entry(models.mlp(3, widths=(5,), dropout=0.2, bias=False), VECTOR, random=True),
    ("mlp", "no hidden layer"): Entry(models.mlp(3, widths=()), VECTOR),
    ("lenet5", "default"): Entry(models.lenet5(3), (2, 4, 4, 1)),
    ("convnet", "dropout"): Entry(models.convnet(3, filters=4, dropout=0.2), (2, 8, 9, 1), random=True),
    ("alexnet", ""): Entry(models.alexnet(3, hidden=4), (2, 63, 63, 1), random=True, told=DEEP, thorough=True),
    ("vgg", "11, BatchNorm"): Entry(
        models.vgg(11, 3, batch_norm=True, small=True, width=2), (3, 32, 32, 1), True, BATCH | DEEP, thorough=True
    ),
    ("resnet", "18"): Entry(
        models.resnet(18, 3, small=True, width=2), (3, 16, 16, 1), told=BATCH | DEEP, thorough=True
    ),
    ("resnet_cifar", "8"): Entry(models.resnet_cifar(8, 3, width=2), (2, 8, 8, 1), told=BATCH | DEEP, thorough=True),
    ("googlenet", ""): Entry(models.googlenet(3), (2, 64, 64, 1), True, BATCH | DEEP, thorough=True),
    ("randomly_wired", "4 nodes"): Entry(
        models.randomly_wired(3, graph=complete, nodes=4, width=2, dropout=0),
        (3, 32, 32, 1),
        told=BATCH | DEEP,
        thorough=True,
    ),
}

EVERY_LAYER = _LAYERS | _COMBINATORS | _MODELS


def identify(key: tuple[str, str]) -> str:
    """The readable id of an entry: `"Conv: 2-D"`."""
    name, variant = key
    return f"{name}: {variant}" if variant else name
