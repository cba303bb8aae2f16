"""Layers from layers: each combinator takes layers and gives a layer, so that they nest without end."""

from fnn.combinators.compose import branch, parallel, residual, serial
from fnn.combinators.graph import graph
from fnn.combinators.repeat import repeat
from fnn.combinators.wrap import evaluating, frozen, mixed_precision, remat

__all__ = [
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
]
