"""What each layer inside a network is given and what it makes of it, without changing the network."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import get_opaque_trace_state

from fnn.layer import Layer, Params, State


@partial(jax.tree_util.register_dataclass, data_fields=["x", "y"], meta_fields=["path", "parameters"])
@dataclass(frozen=True)
class Passage:
    """One layer's turn in a forward pass. A tree of its `x` and `y`, so that `jit` can return it."""

    path: str
    """The layer's names from the outside in: `"features/conv1"`; a layer's second turn is `"features/conv1#2"`, and
    what is inside of that `"features/conv1#2/…"`. The name stack of the operations begins with the same names."""
    parameters: int
    """How many numbers the layer's parameters hold."""
    x: Any
    y: Any


def intermediates(
    layer: Layer,
    params: Params,
    state: State,
    x: Any,
    /,
    *,
    train: bool,
    key: jax.Array | None = None,
    shifts: Sequence[Passage] = (),
) -> tuple[Any, State, list[Passage]]:
    """Applies a layer and tells what each named layer inside of it was given and made.

    What is computed is what `layer.apply` computes; it can be jitted, differentiated and abstractly evaluated.
    `repeat` and `remat` run block by block and without recomputation here, so that one can see into them; the blocks
    of a `repeat` are called `"0"`, `"1"`, … . What a layer runs in a `jit`, `scan` or `vmap` of its own stays unseen.

    Args:
      layer: any layer; the one itself has no passage, its children have.
      params: its parameters.
      state: its state.
      x: its input.
      train: the mode.
      key: as for `layer.apply`.
      shifts: what to add on the way: `x` and `y` of each are added to those of the passage of that path, leaf by leaf,
        None adding nothing. Zeros change nothing, and the gradient with respect to them is what flows back to each
        layer's input and output.

    Returns:
      The output, the next state, and the passages in the order in which they ended: children before their parents.

    Raises:
      ValueError: if there is no passage of a shift's path.
    """
    watch = _Watch(shifts)
    token = _WATCH.set(watch)
    try:
        y, state = layer.apply(params, state, x, train=train, key=key)
    finally:
        _WATCH.reset(token)
    unknown = watch.shifts.keys() - {passage.path for passage in watch.passages}
    if unknown:
        raise ValueError(
            f"intermediates cannot shift {sorted(unknown)}: this network's passages are "
            f"{[passage.path for passage in watch.passages]}."
        )
    return y, state, watch.passages


class _Watch:
    """Where a forward pass is, and what was seen so far."""

    def __init__(self, shifts: Sequence[Passage]) -> None:
        self.path: tuple[str, ...] = ()
        self.passages: list[Passage] = []
        self.turns: dict[str, int] = {}
        self.shifts = {shift.path: shift for shift in shifts}
        self.trace = get_opaque_trace_state()

    @contextmanager
    def inside(self, name: str, params: Params) -> Iterator["_Turn"]:
        outside = self.path
        path = "/".join((*outside, name))
        turn = self.turns[path] = self.turns.get(path, 0) + 1
        name = name if turn == 1 else f"{name}#{turn}"
        self.path = (*outside, name)
        path = "/".join(self.path)
        parameters = sum(jnp.size(leaf) for leaf in jax.tree.leaves(params))
        try:
            with jax.named_scope(name):
                yield _Turn(path, parameters, self.passages, self.shifts.get(path))
        finally:
            self.path = outside


class _Turn:
    """One layer's turn: between its input and its output."""

    def __init__(self, path: str, parameters: int, passages: list[Passage], shift: Passage | None) -> None:
        self.path, self.parameters, self.passages, self.shift = path, parameters, passages, shift
        self.x: Any = None

    def enter(self, x: Any) -> Any:
        self.x = _shifted(x, self.shift and self.shift.x)
        return self.x

    def leave(self, y: Any) -> Any:
        y = _shifted(y, self.shift and self.shift.y)
        self.passages.append(Passage(self.path, self.parameters, self.x, y))
        return y


def _shifted(tree: Any, shift: Any) -> Any:
    """Adds two trees leaf by leaf; where the shift is None, nothing."""
    if shift is None:
        return tree
    return jax.tree.map(lambda by, leaf: leaf if by is None else leaf + by, shift, tree, is_leaf=lambda by: by is None)


_WATCH: ContextVar[_Watch | None] = ContextVar("watch", default=None)


def watched() -> bool:
    """Says whether somebody watches the forward pass that is being run or traced.

    Values of an inner trace, such as a scan's body, must not leave it, and so are not seen.
    """
    watch = _WATCH.get()
    return watch is not None and watch.trace == get_opaque_trace_state()


@contextmanager
def passing(name: str, params: Params) -> Iterator[tuple[Callable[[Any], Any], Callable[[Any], Any]]]:
    """Runs the child `name` of a combinator: its operations carry the name, and a watch sees what passes.

    Yields two functions: one to call with the child's input, one with its output. Each gives back what to go on with.
    """
    watch = _WATCH.get()
    if watch is None or not watched():
        with jax.named_scope(name):
            yield _unchanged, _unchanged
    else:
        with watch.inside(name, params) as turn:
            yield turn.enter, turn.leave


def _unchanged(tree: Any) -> Any:
    return tree
