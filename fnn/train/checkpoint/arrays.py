"""A tree of arrays on the disk, by Orbax, with the digest of each array's content.

Orbax checks no content, and has given zeros for a chunk that was lost; the digests, taken from memory before writing,
are compared with what it reads. Arrays are numbered on the disk: no name of a tree becomes the name of a file.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from fnn.train.checkpoint.errors import DamagedError


class Described(NamedTuple):
    """What is known of an array without having it."""

    path: str
    """Where it stands in its tree: `"params/conv1/kernel"`."""
    shape: tuple[int, ...]
    dtype: str
    sha256: str
    """Of its bytes in C order."""


def describe(arrays: Mapping[str, np.ndarray]) -> list[Described]:
    """Describes arrays by path."""
    return [Described(path, array.shape, str(array.dtype), digest(array)) for path, array in arrays.items()]


def digest(array: np.ndarray) -> str:
    """Returns the SHA-256 of an array's bytes, in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).hexdigest()


def write_arrays(directory: Path, arrays: Sequence[np.ndarray]) -> None:
    """Writes arrays into a new directory."""
    import orbax.checkpoint as ocp  # only who saves waits for it

    # Orbax refuses arrays without numbers; their shapes, which the record holds, are all there is to them.
    numbered = {str(number): array for number, array in enumerate(arrays) if array.size}
    with _alone() as checkpointer:
        checkpointer.save(directory.absolute(), args=ocp.args.PyTreeSave(numbered))


def read_arrays(directory: Path, described: Sequence[Described]) -> dict[str, np.ndarray]:
    """Reads what `write_arrays` wrote.

    Args:
      directory: where to.
      described: what was written.

    Raises:
      DamagedError: if an array is not, bit for bit, as described.
    """
    import orbax.checkpoint as ocp

    some = {str(number): array for number, array in enumerate(described) if 0 not in array.shape}
    how = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), dict.fromkeys(some, 0))
    read: dict[str, Any] = {}
    if some:
        with _alone() as checkpointer:
            args = ocp.args.PyTreeRestore(item=dict.fromkeys(some, 0), restore_args=how)
            read = checkpointer.restore(directory.absolute(), args=args)
    arrays = {}
    for number, (path, shape, dtype, sha256) in enumerate(described):
        array = np.asarray(read[str(number)]) if str(number) in some else np.zeros(shape, dtype)
        if (array.shape, str(array.dtype), digest(array)) != (shape, dtype, sha256):
            raise DamagedError(f"{directory}: the array {path!r}, {dtype} {shape}, was not read as it was written.")
        arrays[path] = array
    return arrays


def _alone() -> Any:
    """Returns Orbax's reader and writer for this process alone: it would else wait for the others at each call."""
    import orbax.checkpoint as ocp

    me = jax.process_index()
    options = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=str(me)
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=options)
    return ocp.Checkpointer(handler, multiprocessing_options=options)
