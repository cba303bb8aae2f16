"""Networks of the literature, each a function that returns a `Layer`; `MODELS` maps their names to them.

The larger ones are split by name into `features` and `head`, so that one can be taken and the other replaced; what
stands under `features` is a function of its own, such as `resnet_features`.
"""

from collections.abc import Callable
from functools import partial

from fnn.layer import Layer
from fnn.models.alexnet import alexnet, alexnet_features
from fnn.models.convnet import convnet
from fnn.models.googlenet import googlenet, googlenet_features
from fnn.models.lenet import lenet5
from fnn.models.linear import fit_perceptron, linear_classifier, perceptron
from fnn.models.mlp import mlp
from fnn.models.randomly_wired import randomly_wired, randomly_wired_features
from fnn.models.resnet import resnet, resnet_cifar, resnet_cifar_features, resnet_features
from fnn.models.vgg import vgg, vgg_features

MODELS: dict[str, Callable[..., Layer]] = {
    "linear_classifier": linear_classifier,
    "perceptron": perceptron,
    "mlp": mlp,
    "lenet5": lenet5,
    "convnet": convnet,
    "alexnet": alexnet,
    **{f"vgg{depth}": partial(vgg, depth) for depth in (11, 13, 16, 19)},
    **{f"vgg{depth}_bn": partial(vgg, depth, batch_norm=True) for depth in (11, 13, 16, 19)},
    **{f"resnet{depth}": partial(resnet, depth) for depth in (18, 34, 50, 101, 152)},
    **{f"resnet{depth}_cifar": partial(resnet_cifar, depth) for depth in (20, 32, 44, 56, 110)},
    "googlenet": googlenet,
    **{f"randomly_wired_{graph}": partial(randomly_wired, graph=graph) for graph in ("ws", "er", "ba")},
}
"""Every model by name. The first argument is the number of classes."""

__all__ = [
    "MODELS",
    "alexnet",
    "alexnet_features",
    "convnet",
    "fit_perceptron",
    "googlenet",
    "googlenet_features",
    "lenet5",
    "linear_classifier",
    "mlp",
    "perceptron",
    "randomly_wired",
    "randomly_wired_features",
    "resnet",
    "resnet_cifar",
    "resnet_cifar_features",
    "resnet_features",
    "vgg",
    "vgg_features",
]
