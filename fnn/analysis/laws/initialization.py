"""Laws of `init`."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn import expect
from fnn.analysis.laws.law import BrokenError, Law, difference_of, is_floating, name_of, require_same, shapes_of
from fnn.analysis.laws.subject import Subject


def _usable(subject: Subject) -> None:
    made = subject.layer.init(subject.key, subject.x)
    if not isinstance(made, tuple) or [isinstance(tree, Mapping) for tree in made] != [True, True]:
        raise BrokenError(f"init must return (params, state), two dicts, but gave {expect.describe(made)}.")
    for train in (True, False):
        apply = partial(subject.layer.apply, train=train)
        out = jax.eval_shape(lambda p, s, x, key, f=apply: f(p, s, x, key=key), *made, subject.x, subject.key)
        if not isinstance(out, tuple) or len(out) != 2 or not isinstance(out[1], Mapping):
            raise BrokenError(f"apply must return (y, state), state a dict, but gave {expect.describe(out)}.")


def _reads_only_shapes(subject: Subject) -> None:
    params = subject.initial
    for x, what in ((subject.other_x, "other numbers"), (subject.shapes, "a jax.ShapeDtypeStruct")):
        try:
            again = subject.layer.init(subject.key, x)
        except Exception as error:
            error.add_note(f"  in init, given {what} for x, whose values it must not read")
            raise
        require_same(again, params, 0, f"init given {what} of the same shape must make the same")


def _deterministic(subject: Subject) -> None:
    again = subject.layer.init(subject.key, subject.x)
    require_same(again, subject.initial, 0, "init called twice with one key must make the same")


def _differs_between_keys(subject: Subject) -> None:
    one, other = subject.initial[0], subject.initial_by_other_key[0]
    drawn = []
    for (path, a), b in zip(jax.tree.leaves_with_path(one), jax.tree.leaves(other), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        if a.size < 2 or (a == a.flat[0]).all():
            continue  # a constant, such as a scale of 1
        if np.array_equal(a, b):
            raise BrokenError(
                f"parameter {name_of(path)} has the same {a.size} different numbers whatever the key: "
                "init must draw them from the key it is given."
            )
        drawn.append((path, a.astype(np.float64).ravel()))
    for (path, a), (other_path, b) in combinations(drawn, 2):
        if a.size == b.size > 3 and abs(np.corrcoef(a, b)[0, 1]) > 0.9999:
            raise BrokenError(
                f"parameters {name_of(path)} and {name_of(other_path)} hold the same random numbers: "
                "derive a key for each, with jax.random.split or fnn.keys.named_key."
            )


def _runs_transformed(subject: Subject) -> None:
    for x in (subject.x, subject.shapes):
        shapes = jax.eval_shape(subject.layer.init, subject.key, x)
        if difference := _abstract_difference(shapes, shapes_of(subject.initial)):
            raise BrokenError(f"init under jax.eval_shape must give the shapes of what it makes, but {difference}")
    keys = jnp.stack([subject.key, subject.other_key])
    mapped = jax.jit(jax.vmap(subject.layer.init, (0, None)))(keys, subject.x)  # both at once: one program
    for i, alone in enumerate((subject.initial, subject.initial_by_other_key)):
        taken = jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], mapped)
        require_same(taken, alone, 1e-6, "init under jit and vmap over keys must make what it makes alone")


def _abstract_difference(got: Any, wanted: Any) -> str:
    """How two trees of shapes differ; empty if they do not."""
    blank = lambda tree: jax.tree.map(lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), tree)  # noqa: E731
    return difference_of(blank(got), blank(wanted), 0)


def _float32(subject: Subject) -> None:
    for kind, tree in zip(("params", "state"), subject.initial, strict=True):
        for path, name in _names(tree):
            if not isinstance(name, str) or not name or "/" in name:
                raise BrokenError(f"{kind} must be keyed by names without '/', but {path or kind!r} has {name!r}.")
        for path, inside in _dicts(tree):
            if path and not inside:
                raise BrokenError(f"{kind} has an empty entry {path!r}: what a layer has none of, it must leave out.")
        for path, leaf in jax.tree.leaves_with_path(tree):
            if not isinstance(leaf, jax.Array | np.ndarray):
                raise BrokenError(f"{kind} {name_of(path)} is a {type(leaf).__name__}: make it an array, float32.")
            if leaf.dtype != jnp.float32 and (kind == "params" or is_floating(leaf)):
                raise BrokenError(f"{kind} {name_of(path)} is {leaf.dtype}, must be float32.")
    floats = [leaf for leaf in jax.tree.leaves(subject.shapes) if is_floating(leaf)]
    for dtype in (jnp.bfloat16, jnp.float16) if floats else ():
        x = jax.tree.map(
            lambda leaf, dtype=dtype: jax.ShapeDtypeStruct(leaf.shape, dtype) if is_floating(leaf) else leaf,
            subject.shapes,
        )
        shapes = jax.eval_shape(subject.layer.init, subject.key, x)
        if difference := _abstract_difference(shapes, shapes_of(subject.initial)):
            raise BrokenError(
                f"init must make the same parameters for {jnp.dtype(dtype)} input as for float32, but {difference}"
            )


def _dicts(tree: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Every dict of a nested dict, the whole included, with its path."""
    yield path, tree
    for name, child in tree.items():
        if isinstance(child, Mapping):
            yield from _dicts(child, f"{path}/{name}".lstrip("/"))


def _names(tree: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Every key of a nested dict, with the path of the dict it stands in."""
    for path, inside in _dicts(tree):
        for name in inside:
            yield path, name


USABLE = Law(
    "init and apply run",
    "A layer is init(key, x) -> (params, state) and apply(params, state, x, *, train, key) -> (y, state).",
    _usable,
)

LAWS = (
    Law(
        "init reads only shapes and dtypes",
        "Shapes of a large network are found without computing, and its start does not depend on the data.",
        _reads_only_shapes,
    ),
    Law("init is deterministic in its key", "A run must be repeatable from its seed.", _deterministic),
    Law(
        "other keys give other parameters",
        "Seeds that give one network are no repetition, and two parameters from one key start alike.",
        _differs_between_keys,
    ),
    Law(
        "init runs under jit, vmap and eval_shape",
        "Many seeds are initialized at once, and large networks without memory.",
        _runs_transformed,
    ),
    Law(
        "parameters are named float32 arrays",
        "Optimizers, checkpoints and bridges to other libraries read the tree; narrow parameters lose small updates.",
        _float32,
    ),
)
