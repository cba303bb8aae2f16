"""`check_gradients`: derivatives held against central finite differences, in double precision."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fnn.analysis.gradients.problem import Difference, Problem, is_floating
from fnn.layer import Layer

ALONE = 500
"""Up to how many entries in all each is checked alone."""
TOGETHER = 64
"""How many entries are checked together where there are more."""
SHOWN = 5
"""How many wrong entries an error names."""


class GradientCheck(NamedTuple):
    """What was compared, and agreed."""

    entries: int
    """How many entries of the arguments."""
    kinks: int
    """How many entries could not be compared, because the function has a kink there."""
    modes: tuple[str, ...]
    """Which of `"forward"` and `"reverse"` the function can be differentiated in, and was."""


class GradientError(ArithmeticError):
    """A derivative is wrong; `differences` has each wrong entry."""

    def __init__(self, differences: Sequence[Difference], of: str) -> None:
        self.differences = tuple(differences)
        lines = [
            f"{d.mode} mode: by {d.path}{list(d.entry) if d.entry else ''} it is {d.derivative:.9g}, "
            f"by central differences {d.difference:.9g}"
            for d in differences[:SHOWN]
        ]
        more = [f"and {len(differences) - SHOWN} more"] if len(differences) > SHOWN else []
        super().__init__("\n  ".join([f"The derivative of {of} is wrong in {len(differences)} places.", *lines, *more]))


def check_gradients(
    f: Callable[..., Any] | Layer,
    *args: Any,
    train: bool | None = None,
    key: jax.Array | None = None,
    tolerance: float = 1e-5,
    together: int | None = None,
    seed: int = 0,
) -> GradientCheck:
    """Compares the derivatives of a layer, a loss or any function with central finite differences.

    All floating-point arguments are widened to double precision, in which differences are exact to ten digits. Where
    the function gives more than one number, it is their sum, weighted by random numbers, that is differentiated. Both
    forward mode (`jax.jvp`) and reverse mode (`jax.grad`) are checked, if the function has both.

    With up to 500 entries each entry is checked alone. Of larger arguments 64 entries of an array are moved together,
    each by a random amount; where a derivative does not fit, the group is halved until the wrong entry stands alone. So
    a wrong entry is found if its error is larger than `tolerance` times the gradient of its group.

    Where the function has a kink, as ReLU at 0 and max pooling where two entries are equal, there is no derivative to
    compare. An entry is left out, and counted in `kinks`, if the differences of one step and of half of it differ, or
    those to its left and right go on differing when the step is halved. To check such a function in earnest give it
    inputs away from its kinks.

    Args:
      f: a layer, or a function of trees of arrays whose output is a tree of arrays.
      *args: its arguments; of a layer, `params, state, x`, of which the output is differentiated by `params` and `x`.
      train: the mode of a layer.
      key: for a layer that is random.
      tolerance: by how much a derivative may differ, relative to its size.
      together: how many entries to move together; 1 checks each alone.
      seed: of the random weights and directions.

    Returns:
      How much was compared.

    Raises:
      GradientError: if a derivative differs; it names the entries and both values.
      TypeError: if there is nothing to differentiate, or nothing to differentiate by, or `train` is missing.
      ValueError: if the function computes in less than double precision, or has a kink at every entry.

    Example:
      >>> layer = fnn.Conv(3, 5)
      >>> params, state = layer.init(key, x)
      >>> fnn.check_gradients(layer, params, state, x, train=True)
      GradientCheck(entries=528, kinks=0, modes=('forward', 'reverse'))
    """
    if isinstance(f, Layer):
        function, args = _function_of(f, args, train, key)
    else:
        if train is not None or key is not None:
            raise TypeError("train and key are a layer's; give a function all its arguments in their places.")
        function = f
    title = f.name if isinstance(f, Layer) else getattr(f, "__name__", "the function")
    with jax.enable_x64(True):
        problem = Problem(function, args, title, seed)
        groups = list(problem.groups(together or (1 if problem.point.size <= ALONE else TOGETHER)))
        wrong: list[Difference] = []
        kinks = 0
        while groups:
            open_groups: list[tuple[int, int]] = []
            for (start, stop), (kink, found) in zip(groups, problem.compare(groups, tolerance), strict=True):
                if not kink and not found:
                    continue
                if stop - start > 1:
                    middle = (start + stop) // 2
                    open_groups += [(start, middle), (middle, stop)]
                elif kink:
                    kinks += 1
                else:
                    wrong += found
            groups = open_groups
    if wrong:
        raise GradientError(wrong, title)
    if kinks == problem.point.size:
        raise ValueError(f"{title} has a kink at every entry of its arguments: give it others, away from its kinks.")
    return GradientCheck(problem.point.size - kinks, kinks, problem.modes)


def _function_of(
    layer: Layer, args: Sequence[Any], train: bool | None, key: jax.Array | None
) -> tuple[Callable[..., Any], tuple[Any, Any]]:
    """Returns a layer's output as a function of its parameters and input, and the two."""
    if train is None or len(args) != 3:
        raise TypeError("check_gradients of a layer is called (layer, params, state, x, train=…), as its apply is.")
    given_params, state, given_x = args

    def apply(params: Any, x: Any) -> Any:
        wide_state = jax.tree.map(_widen, state)
        return layer.apply(params, wide_state, x, train=train, key=key)[0]

    return apply, (given_params, given_x)


def _widen(leaf: Any) -> Any:
    return jnp.asarray(leaf, jnp.float64) if is_floating(leaf) else leaf
