"""What a circuit is made of: nodes, and the wires between them."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np


@dataclass(frozen=True, eq=False)
class Value:
    """What flows along a wire."""

    name: str
    """`"x"`, `"params/conv1/kernel"`; `"v1"`, `"v2"`, … where nobody gave one."""
    array: np.ndarray
    """What flowed forward."""
    gradient: np.ndarray | None
    """What came back: the derivative of the output by this value. None where no gradient can flow: to integers, and to
    what no argument of floating-point numbers changes."""


@dataclass(frozen=True, eq=False)
class Node:
    """An input, a constant, an operation, or a layer with all operations in it."""

    kind: Literal["input", "constant", "operation", "layer"]
    title: str
    """What stands in its box: `"x"`, `"+"`, `"features/conv1"`."""
    formula: str
    """How it is computed: `"x + y"`, `"features/conv1(images)"`; empty for inputs and constants."""
    outputs: tuple[Value, ...]
    """Those of its values that are read elsewhere, or that the function returns."""
    parameters: tuple[Value, ...] = ()
    """Of a layer: the inputs that it alone reads, drawn inside its box."""


@dataclass(frozen=True, eq=False)
class Edge:
    """A wire from a node's output to another node."""

    source: int
    """The node, by its place among the circuit's."""
    output: int
    """Which of its outputs."""
    target: int
    gradient: np.ndarray | None
    """What came back along this wire. A value's gradient is the sum over its wires, and over the function's outputs."""


class Elements(NamedTuple):
    """All of a circuit's."""

    nodes: tuple[Node, ...]
    """In the order of the computation: inputs, constants, operations and layers."""
    edges: tuple[Edge, ...]
