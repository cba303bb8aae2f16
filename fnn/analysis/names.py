"""What the arguments of a function, and the leaves in them, are called."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax


def name_of(f: Callable[..., Any]) -> str:
    """Returns the name of a function, `"output"` of one that has none."""
    name = getattr(f, "__name__", "")
    return name if name.isidentifier() else "output"


def name_leaves(root: str, tree: Any) -> list[str]:
    """Names the leaves of a tree by their place: `"params/conv1/kernel"`."""
    leaves = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in jax.tree.leaves_with_path(tree)]
    return [f"{root}/{leaf}" if leaf else root for leaf in leaves]


def parameters_of(f: Callable[..., Any], args: Sequence[Any]) -> Mapping[str, Any]:
    """Returns the arguments by the names of the function's parameters."""
    try:
        return inspect.signature(f).bind(*args).arguments
    except (TypeError, ValueError):  # it has no signature that can be read, as some built-in functions
        return {f"argument{place + 1}": arg for place, arg in enumerate(args)}


def name_arguments(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """Names the leaves of a function's arguments."""
    return [name for parameter, arg in parameters_of(f, args).items() for name in name_leaves(parameter, arg)]
