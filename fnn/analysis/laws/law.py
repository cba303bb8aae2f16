"""What a law is: a name, a reason, and a function that complains."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnn import expect


class Law(NamedTuple):
    """One promise that every layer makes."""

    name: str
    reason: str
    """In one line, why somebody relies on it."""
    examine: Callable[[Any], None]
    """Takes a `Subject`; raises `BrokenError` where the law is broken, `NotApplicableError` where it says nothing."""


class BrokenError(Exception):
    """A law does not hold; says what is wrong and where."""


class NotApplicableError(Exception):
    """A law says nothing about this layer; says why."""


def require_same(got: Any, wanted: Any, tolerance: float, claim: str) -> None:
    """Raises `BrokenError(claim + how they differ)` unless two trees are the same but for small differences in numbers.

    Args:
      got: a tree of arrays.
      wanted: another.
      tolerance: how far numbers may lie apart, relative to the largest of their array; 0 for bit by bit.
      claim: what was expected: `"jit and eager must give the same output"`.
    """
    difference = difference_of(got, wanted, tolerance)
    if difference:
        raise BrokenError(f"{claim}, but {difference}")


def difference_of(got: Any, wanted: Any, tolerance: float) -> str:
    """Says how two trees of arrays differ, in structure, shape, dtype or numbers; empty if they do not."""
    if jax.tree.structure(got) != jax.tree.structure(wanted):
        return f"one is {expect.describe(got)}, the other {expect.describe(wanted)}."
    for (path, a), b in zip(jax.tree.leaves_with_path(got), jax.tree.leaves(wanted), strict=True):
        place = name_of(path)
        if np.shape(a) != np.shape(b):
            return f"{place} has shape {np.shape(a)} in one and {np.shape(b)} in the other."
        if jnp.result_type(a) != jnp.result_type(b):
            return f"{place} is {jnp.result_type(a)} in one and {jnp.result_type(b)} in the other."
        worst = _worst(a, b, tolerance)
        if worst:
            return f"{place}{worst}"
    return ""


def _worst(a: Any, b: Any, tolerance: float) -> str:
    if jnp.issubdtype(jnp.result_type(a), jax.dtypes.prng_key):
        a, b = jax.random.key_data(a), jax.random.key_data(b)
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a) & np.isfinite(b)
    apart = np.where(same, 0.0, np.where(finite, np.abs(np.where(finite, a, 0) - np.where(finite, b, 0)), np.inf))
    allowed = tolerance * np.max(np.abs(b), initial=0, where=np.isfinite(b))
    if apart.max(initial=0) <= allowed:
        return ""
    index = np.unravel_index(int(np.argmax(apart)), apart.shape)
    at = f"[{', '.join(map(str, index))}]" if index else ""
    few = f"; {int(np.sum(apart > allowed))} of {apart.size} numbers differ" if apart.size > 1 else ""
    return f"{at} is {a[index]:.9g} in one and {b[index]:.9g} in the other{few}."


def name_of(path: tuple[Any, ...], root: str = "") -> str:
    """Names a leaf of a tree by its keys: `'body/kernel'`; the whole is called `root`, or "it"."""
    names = [str(getattr(entry, "key", getattr(entry, "idx", getattr(entry, "name", entry)))) for entry in path]
    return repr("/".join([*([root] if root else []), *names])) if names or root else "it"


def is_floating(leaf: Any) -> bool:
    """Says whether an array, or what has the dtype of one, holds floating-point numbers."""
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def shapes_of(tree: Any) -> Any:
    """Returns the tree with a `jax.ShapeDtypeStruct` in place of each array."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), jnp.result_type(leaf)), tree)
