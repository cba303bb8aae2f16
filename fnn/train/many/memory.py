"""How many models fit into memory together: what their programs take, against what is free."""

import os
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.train.many.models import Run
from fnn.train.many.programs import Programs, blocks_of

SHARE = 0.8
"""Of what is free, so much may be taken: the compiler counts neither what the runtime needs nor gaps between arrays."""


def choose_count(programs: Programs, data: Any, group: list[Run]) -> tuple[int, str]:
    """Says how many models of a group can be trained together, and why if not all.

    The groups that this makes are as equal as can be: 24 models of which 10 fit are trained 8 at a time.

    Args:
      programs: of the group.
      data: images and labels of the split, on the device.
      group: of runs that one program can take together.
    """
    free, count, first = free_bytes(), len(group), None
    while free is not None and count > 1:
        needed = bytes_of(programs, data, group[:count])
        first = first or needed
        if needed <= SHARE * free:
            break
        most = max(1, min(count - 1, int(SHARE * free / needed * count)))
        groups = -(-len(group) // most)
        count = -(-len(group) // groups)
    if count == len(group):
        return count, ""
    return count, f"{len(group)} together would take {_gib(first)} of the {_gib(free)} that are free"


def bytes_of(programs: Programs, data: Any, group: list[Run]) -> int:
    """Returns how many bytes training a group together takes beside the data, as the compiler plans it."""
    seed, hyper, moments = group[0].inputs
    validation = [run.model.validation for run in group if run.model.validation is not None]
    blocks = blocks_of(np.zeros(max(map(len, validation)), np.int32)) if validation else np.zeros(0, np.int32)
    one = (programs.begin.shapes(seed, hyper), hyper, moments, group[0].orders(0)[0], blocks)
    standing, hyper, moments, order, blocks = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((len(group), *leaf.shape), leaf.dtype), one
    )
    there = sum(array.nbytes for array in data)
    needed = _planned(programs.run_steps["several"].compile(data, standing, hyper, moments, order, np.int32(1))) - there
    if validation:
        variables = standing.train_state[:2]
        judging = _planned(programs.judge["several"].compile(data, variables, moments, blocks)) - there
        # While they are judged, what only training needs stays where it is.
        needed = max(needed, judging + _size(standing) - _size(variables))
    return needed


def free_bytes() -> int | None:
    """Returns how many bytes the device has left; on the CPU the machine. None where nobody says."""
    device = jax.devices()[0]
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return _free_of_machine() if device.platform == "cpu" else None


def _free_of_machine() -> int | None:
    try:  # Linux counts what it would give back, such as files that it keeps in memory
        told = re.search(r"^MemAvailable:\s*(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        told = None
    if told:
        return int(told.group(1)) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _planned(compiled: Any) -> int:
    plan = compiled.memory_analysis()
    if plan is None:
        return 0
    return plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes + plan.temp_size_in_bytes


def _size(tree: Any) -> int:
    """Returns the bytes of a tree of shapes; a random key counts as its numbers."""
    shapes = jax.eval_shape(_without_keys, tree)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def _without_keys(tree: Any) -> Any:
    def numbers(leaf: jax.Array) -> jax.Array:
        return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf

    return jax.tree.map(numbers, tree)


def _gib(size: int | None) -> str:
    return f"{(size or 0) / 2**30:.2g} GiB"
