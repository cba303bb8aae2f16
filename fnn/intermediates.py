"""What each layer inside a network is given and what it makes of it, without changing the network."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
from jax.extend.core import get_opaque_trace_state

from fnn.layer import Layer, Params, State


@partial(jax.tree_util.register_dataclass, data_fields=["x", "y"], meta_fields=["path"])
@dataclass(frozen=True)
class Passage:
    """One layer's turn in a forward pass. A tree of its `x` and `y`, so that `jit` can return it."""

    path: str
    """The layer's names from the outside in: `"features/conv1"`; a layer's second turn is `"features/conv1#2"`."""
    x: Any
    y: Any


def intermediates(
    layer: Layer, params: Params, state: State, x: Any, /, *, train: bool, key: jax.Array | None = None
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

    Returns:
      The output, the next state, and the passages in the order in which they ended: children before their parents.
    """
    watch = _Watch()
    token = _WATCH.set(watch)
    try:
        y, state = layer.apply(params, state, x, train=train, key=key)
    finally:
        _WATCH.reset(token)
    return y, state, watch.passages


class _Watch:
    """Where a forward pass is, and what was seen so far."""

    def __init__(self) -> None:
        self.path: tuple[str, ...] = ()
        self.passages: list[Passage] = []
        self.turns: dict[str, int] = {}
        self.trace = get_opaque_trace_state()

    def note(self, x: Any, y: Any) -> None:
        path = "/".join(self.path)
        turn = self.turns[path] = self.turns.get(path, 0) + 1
        self.passages.append(Passage(path if turn == 1 else f"{path}#{turn}", x, y))


_WATCH: ContextVar[_Watch | None] = ContextVar("watch", default=None)


def watched() -> bool:
    """Says whether somebody watches the forward pass that is being run or traced.

    Values of an inner trace, such as a scan's body, must not leave it, and so are not seen.
    """
    watch = _WATCH.get()
    return watch is not None and watch.trace == get_opaque_trace_state()


@contextmanager
def passing(name: str) -> Iterator[Any]:
    """Runs the child `name` of a combinator: its operations carry the name, and a watch sees what passes.

    Yields a function to call with the child's input and output.
    """
    watch = _WATCH.get()
    with jax.named_scope(name):
        if watch is None or not watched():
            yield _nobody
            return
        outside = watch.path
        watch.path = (*outside, name)
        try:
            yield watch.note
        finally:
            watch.path = outside


def _nobody(x: Any, y: Any) -> None:
    del x, y
