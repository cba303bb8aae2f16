"""Networks of the literature, each a function that returns a `Layer`; `MODELS` maps their names to them."""

from collections.abc import Callable

from fnn.layer import Layer
from fnn.models.convnet import convnet
from fnn.models.lenet import lenet5
from fnn.models.linear import fit_perceptron, linear_classifier, perceptron
from fnn.models.mlp import mlp

MODELS: dict[str, Callable[..., Layer]] = {
    "linear_classifier": linear_classifier,
    "perceptron": perceptron,
    "mlp": mlp,
    "lenet5": lenet5,
    "convnet": convnet,
}
"""Every model by name. The first argument is the number of classes."""

__all__ = ["MODELS", "convnet", "fit_perceptron", "lenet5", "linear_classifier", "mlp", "perceptron"]
