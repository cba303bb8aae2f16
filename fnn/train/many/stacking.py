"""Several models' trees as one with a leading axis, and back."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.train.many.models import Run
from fnn.train.many.programs import Form, Programs, Standing


def stack_on_device(leaves: Sequence[Any]) -> jax.Array:
    """Stacks arrays, or random keys, and places them on the device."""
    # On the host: XLA would compile a program for every number and shape of leaves.
    return jnp.stack(leaves) if _is_key(leaves[0]) else jnp.array(np.stack(leaves))


def combine(trees: Sequence[Any], form: Form, stack: Callable[..., Any] = stack_on_device) -> Any:
    """Stacks trees for a program that takes several; the only one stays as it is.

    Args:
      trees: of arrays.
      form: of the program.
      stack: how; `np.stack` leaves on the host what a program reads once: to place it on the device beforehand takes
        longer than the program takes to fetch it.
    """
    if form == "one":
        (only,) = trees
        return only
    return jax.tree.map(lambda *leaves: stack(leaves), *trees)


def part(tree: Any, count: int, form: Form) -> list[Any]:
    """Copies what `combine` made of so many trees to the host; random keys stay where they are."""
    tree = jax.tree.map(lambda leaf: leaf if _is_key(leaf) else np.array(leaf), tree)
    if form == "one":
        return [tree]
    return [jax.tree.map(lambda leaf, place=place: leaf[place], tree) for place in range(count)]


def begin(programs: Programs, runs: Sequence[Run], form: Form) -> tuple[Standing, Any, Any]:
    """Returns where runs begin, their hyperparameters and their normalizations, combined."""
    inputs = [run.inputs for run in runs]
    standings = [programs.begin(seed, hyper) for seed, hyper, _ in inputs]
    return (
        combine(standings, form),
        combine([hyper for _, hyper, _ in inputs], form),
        combine([m for *_, m in inputs], form),
    )


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
