"""What a layer may be given: the checks that every layer shares, and errors that say what to do.

A leaf says what it expected and what came. The combinators above it add where, as one note with the layer's path:

    ValueError: Conv expects x of shape (batch, height, width, channels), got (8, 3072).
      in layer 'features/conv1', given x of shape (8, 3072)
"""

import reprlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

_NOTE = "  in layer '"


def array(x: Any, layer: str, axes: str = "", ranks: Collection[int] = (), hint: str = "") -> jax.Array:
    """Returns `x` as one floating-point array of an allowed rank.

    Abstract values (`jax.ShapeDtypeStruct`, tracers) pass through untouched; NumPy arrays become JAX arrays.

    Args:
      x: what the layer was given.
      layer: the layer's name as users write it: `"Conv"`.
      axes: the expected shape in words: `"(batch, height, width, channels)"`.
      ranks: the allowed numbers of axes; any if empty.
      hint: what else to say when the rank is wrong.

    Raises:
      ValueError: if `x` is no array, or has another rank.
      TypeError: if its numbers are not floating-point.
    """
    words = f"x of shape {axes}" if axes else "one array x"
    if not hasattr(x, "shape") or not hasattr(x, "dtype"):
        raise ValueError(f"{layer} expects {words}, got {describe(x)}.")
    if ranks and len(x.shape) not in ranks:
        raise ValueError(f"{layer} expects {words}, got {tuple(x.shape)}.{' ' if hint else ''}{hint}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"{layer} expects floating-point x, got {x.dtype} of shape {tuple(x.shape)}. "
            "Convert it first: images, for example, with x.astype(jnp.float32) / 255."
        )
    return x if isinstance(x, jax.ShapeDtypeStruct) else jnp.asarray(x)  # pyright: ignore[reportReturnType]


def pixels(x: jax.Array, layer: str) -> jax.Array:
    """Returns `x`, `(batch, *spatial, channels)`, after checking that it has at least one pixel."""
    if 0 in x.shape[1:-1]:
        raise ValueError(f"{layer} expects images of at least one pixel, got x of shape {tuple(x.shape)}.")
    return x


def entries(tree: Any, layer: str, kind: str = "parameters", /, **shapes: tuple[int, ...]) -> tuple[jax.Array, ...]:
    """Returns the named arrays of a leaf's `params` or `state`, in the order of `shapes`, after checking them.

    Raises:
      ValueError: if an entry is missing, left over, or of another shape than expected.
    """
    found: Mapping[str, Any] = tree if isinstance(tree, Mapping) else {"": tree}
    if found.keys() == shapes.keys() and all(shape_of(found[name]) == shape for name, shape in shapes.items()):
        return tuple(found[name] for name in shapes)
    got = ", ".join(f"{name} {describe(value)}".strip() for name, value in found.items()) or "none"
    if not shapes:
        raise ValueError(f"{layer} has no {kind}, got {got}. They are another network's.")
    expected = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    raise ValueError(
        f"{layer} expects {kind} {expected} for this input, got {got}. "
        f"Pass the {kind} that this network's own init made for inputs of this shape."
    )


def children(tree: Any, combinator: str, kind: str, names: Collection[str]) -> None:
    """Checks that a combinator's `params` or `state` is a dict whose keys are names of its children.

    Raises:
      ValueError: if it is no dict, or has an entry that belongs to no child.
    """
    if not isinstance(tree, Mapping):
        raise ValueError(f"{combinator} expects {kind} as a dict keyed by layer name, got {describe(tree)}.")
    unknown = [name for name in tree if name not in names]
    if unknown:
        raise ValueError(
            f"{combinator} has no layers for the {kind} {unknown}; its layers are {list(names)}. "
            "They are another network's."
        )


def same_shape(got: Any, wanted: Any, message: str) -> None:
    """Raises `ValueError(message + what the two are)` unless both trees have the same structure, shapes and dtypes."""
    kinds = [jax.tree.map(lambda leaf: (shape_of(leaf), str(jnp.result_type(leaf))), tree) for tree in (wanted, got)]
    if kinds[0] == kinds[1]:
        return
    before, after = describe(wanted), describe(got)
    if before == after:
        before, after = (" and ".join(sorted({str(leaf.dtype) for leaf in jax.tree.leaves(t)})) for t in (wanted, got))
    raise ValueError(f"{message} {before} became {after}.")


def shape_of(x: Any) -> tuple[int, ...] | None:
    """Returns the shape of an array or of a `jax.ShapeDtypeStruct`, None of anything else."""
    return tuple(x.shape) if hasattr(x, "shape") else None


def broadcastable(a: jax.Array, ndim: int) -> jax.Array:
    """Gives `a` leading axes of length 1 until it has `ndim`: ranks are never promoted silently in fnn."""
    return a.reshape((1,) * (ndim - a.ndim) + a.shape)


def describe(x: Any) -> str:
    """Says in a few words what `x` is: the shape of an array, the shapes in a tree, the type of anything else."""
    if hasattr(x, "shape"):
        return str(tuple(x.shape))
    if isinstance(x, Mapping):
        return "{" + ", ".join(f"{name}: {describe(value)}" for name, value in x.items()) + "}"
    if isinstance(x, tuple | list):
        few = [describe(value) for value in x[:4]] + ["…"] * (len(x) > 4)
        return f"a {type(x).__name__} of {len(x)}: (" + ", ".join(few) + ")"
    return f"{reprlib.repr(x)} of type {type(x).__name__}"


@contextmanager
def located(name: str, x: Any) -> Iterator[None]:
    """Adds the layer's path to any error raised inside, as one note that grows from the leaf to the root."""
    try:
        yield
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        for i, note in enumerate(notes):
            if note.startswith(_NOTE):
                notes[i] = f"{_NOTE}{name}/{note.removeprefix(_NOTE)}"
                break
        else:
            what = f"x of shape {describe(x)}" if hasattr(x, "shape") else describe(x)
            error.add_note(f"{_NOTE}{name}', given {what}")
        raise
