"""What flows forward and back through a function: every operation with its value and its gradient."""

from fnn.analysis.circuit.circuit import Circuit, backprop
from fnn.analysis.circuit.elements import Edge, Elements, Node, Value

__all__ = ["Circuit", "Edge", "Elements", "Node", "Value", "backprop"]
