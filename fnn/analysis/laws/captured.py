"""The law of purity: a layer keeps nothing between calls, least of all a traced value."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import jax
from jax.core import Tracer

from fnn.analysis.laws.law import BrokenError, Law
from fnn.analysis.laws.subject import Subject


def _nothing_traced(subject: Subject) -> None:
    _require_none(subject, "when it was made: make the layer outside of jit, grad and vmap, from plain numbers")
    with suppress(Exception):  # what does not run is another law's
        for train in (True, False):

            def both(key: jax.Array, x: Any, train: bool = train) -> Any:
                return subject.layer.apply(*subject.layer.init(key, x), x, train=train, key=key)

            jax.eval_shape(both, subject.key, subject.shapes)
    _require_none(subject, "when it was called: return what is to be kept as state instead of storing it")


def _require_none(subject: Subject, when: str) -> None:
    for function, what in ((subject.layer.init, "init"), (subject.layer.apply, "apply")):
        for place in _tracers(function, what, set()):
            raise BrokenError(f"{place} holds a traced value that it captured {when}.")


def _tracers(value: Any, place: str, seen: set[int]) -> Iterator[str]:
    """Where a function or container holds a tracer, closures and defaults included."""
    if isinstance(value, Tracer):
        yield place
        return
    if id(value) in seen or isinstance(value, str | bytes | int | float | complex | type | None):
        return
    seen.add(id(value))
    for name, inside in _parts(value):
        yield from _tracers(inside, f"{place} → {name}", seen)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value holds, by name."""
    if isinstance(value, Mapping):
        yield from ((repr(name), inside) for name, inside in list(value.items()))
    elif isinstance(value, tuple | list | set | frozenset):
        names = getattr(value, "_fields", range(len(value)))
        yield from ((str(name), inside) for name, inside in zip(names, list(value), strict=True))
    elif isinstance(value, partial):
        yield from (("function", value.func), ("arguments", value.args), ("keywords", value.keywords))
    elif isinstance(value, Callable):
        yield from _held_by_function(value)


def _held_by_function(function: Any) -> Iterator[tuple[str, Any]]:
    code = getattr(function, "__code__", None)
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=True):
        with suppress(ValueError):  # an empty cell
            yield name, cell.cell_contents
    yield "its defaults", (getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None))
    yield "what it wraps", getattr(function, "__wrapped__", None)
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, type(jax)):  # not a module, as for C functions
        yield "its object", getattr(owner, "__dict__", None)


LAWS = (
    Law(
        "nothing captured is traced",
        "A layer is two pure functions: what one call leaves behind, the next must not find.",
        _nothing_traced,
    ),
)
