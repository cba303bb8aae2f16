"""`backprop`, and the circuit that it returns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.analysis.circuit.elements import Elements, Value
from fnn.analysis.circuit.fold import fold
from fnn.analysis.circuit.passes import Passes, check_against_jax, run_passes
from fnn.analysis.circuit.program import Program, is_differentiable, trace
from fnn.analysis.circuit.svg import to_svg
from fnn.analysis.circuit.text import to_dict, to_text
from fnn.analysis.names import name_of


@dataclass(frozen=True, eq=False)
class Circuit:
    """A function's operations with the value that flowed forward and the gradient that came back at each.

    `print(circuit)` shows a table, `circuit.svg()` a drawing, `circuit["q"]` one value with its gradient.
    """

    name: str
    """The function's."""
    elements: Elements
    """Its nodes and the wires between them, as far as boxes are open."""
    program: Program
    """All operations."""
    passes: Passes
    """All values and gradients."""

    def fold(self, depth: int | None = None, open: str | Iterable[str] = ()) -> "Circuit":  # noqa: A002
        """Shows the same circuit with other boxes open; see `backprop`."""
        elements = fold(self.program, self.passes, self.name, depth, open)
        return replace(self, elements=elements)

    def __getitem__(self, name: str) -> Value:
        """Returns a value by its name."""
        values = {value.name: value for node in self.elements.nodes for value in (*node.outputs, *node.parameters)}
        if name not in values:
            raise KeyError(f"no value {name!r} in this circuit; there are {', '.join(values)}")
        return values[name]

    def __str__(self) -> str:
        return to_text(self.elements)

    def to_dict(self) -> dict[str, Any]:
        """Returns the circuit as dicts, lists, strings and numbers, which JSON can hold."""
        return {"function": self.name, **to_dict(self.elements)}

    def svg(self, width: float | None = 1500) -> str:
        """Draws the circuit as an SVG, from left to right: values above the wires, gradients below.

        Args:
          width: after how many pixels the drawing goes on in a new line; None for never.
        """
        return to_svg(self.elements, width)

    def save(self, path: str | Path, width: float | None = 1500) -> None:
        """Writes the drawing to a file that any browser opens."""
        Path(path).write_text(self.svg(width), encoding="utf-8")


def backprop(
    f: Callable[..., Any],
    *args: Any,
    cotangent: Any = None,
    has_aux: bool = False,
    depth: int | None = None,
    open: str | Iterable[str] = (),  # noqa: A002
) -> Circuit:
    """Computes a function and its gradient, and shows what flows forward and back at every operation.

    Example:
      >>> def f(x, y, z):
      ...     q = checkpoint_name(x + y, "q")        # from jax.ad_checkpoint: gives a value a name
      ...     return q * z
      >>> print(fnn.backprop(f, -2.0, 5.0, -4.0))
      value  is     forward  gradient
      x      input       -2        -4
      y      input        5        -4
      z      input       -4         3
      q      x + y        3        -4
      f      q × z      -12         1

    A layer is one box, named by its path in the network, and so is every `jax.named_scope`, every function under
    `jax.jit` and every rule of its own that `jax.custom_jvp` or `jax.custom_vjp` gives. `scan`, `while` and `cond` are
    one box, too. Every operation is differentiated alone, by `jax.vjp`; the gradients at the arguments are held against
    those of `jax.vjp` of the whole function, and a difference is an error.

    Args:
      f: any function that JAX can trace and differentiate.
      *args: its arguments: numbers, arrays, or trees of them. Integers get no gradient, as in `jax.grad`: write `2.0`.
      cotangent: the gradient at the output, a tree like it; by default 1, for a function that returns one number.
      has_aux: whether `f` returns `(output, aux)`; what only `aux` needs is left out.
      depth: how many names deep to look into a network: at 1 `"features"` is one box, at 2 `"features/conv1"` is. By
        default each innermost layer is.
      open: which boxes to open down to their operations: `"features/conv1"`, a pattern such as `"features/*"`, or
        several; `"*"` opens all.

    Raises:
      TypeError: if no argument has floating-point numbers, or the output has others.
      ValueError: if the output is not one number and no cotangent is given, or one that does not fit; if `open` names
        no box.
      FloatingPointError: if a gradient is not `jax.vjp`'s; this would be an error of fnn.
    """
    leaves = jax.tree.leaves(args)
    if not any(is_differentiable(leaf) for leaf in leaves):
        kinds = ", ".join(str(jnp.result_type(leaf)) for leaf in leaves) or "none"
        raise TypeError(f"backprop expects an argument of floating-point numbers, got {kinds}. Write 2.0 instead of 2.")
    program, shape = trace(f, args, has_aux)
    cotangent = _check_cotangent(shape, cotangent)
    passes = run_passes(program, leaves, jax.tree.leaves(cotangent))
    check_against_jax(f, args, cotangent, has_aux, program, passes)
    return Circuit(name_of(f), fold(program, passes, name_of(f), depth, open), program, passes)


def _check_cotangent(shape: Any, cotangent: Any) -> Any:
    """Returns the gradient at the output, 1 if none is given."""
    if cotangent is None:
        if not isinstance(shape, jax.ShapeDtypeStruct) or shape.shape:
            raise ValueError(
                f"backprop expects a function that returns one number, got {_describe(shape)}. Take a mean or a sum, "
                "say has_aux=True if it returns (number, aux), or give the gradient at its output as cotangent=."
            )
        if not is_differentiable(shape):
            raise TypeError(f"backprop expects a function that returns a floating-point number, got {shape.dtype}.")
        return jnp.ones((), shape.dtype)
    if jax.tree.structure(cotangent) != jax.tree.structure(shape):
        raise ValueError(f"backprop expects a cotangent like the output, {_describe(shape)}, got {cotangent!r}.")
    return jax.tree.map(_cast_cotangent, cotangent, shape)


def _cast_cotangent(cotangent: Any, leaf: jax.ShapeDtypeStruct) -> Any:
    """Returns the gradient at one leaf of the output, in its dtype; integers have none."""
    if jnp.shape(cotangent) != leaf.shape:
        raise ValueError(f"backprop expects a cotangent of shape {leaf.shape}, got {jnp.shape(cotangent)}.")
    if not is_differentiable(leaf):
        return np.zeros(leaf.shape, jax.dtypes.float0)
    return jnp.asarray(cotangent, leaf.dtype)


def _describe(shape: Any) -> str:
    return ", ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in jax.tree.leaves(shape)) or "nothing"
