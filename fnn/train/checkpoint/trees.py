"""Between trees on the device and named NumPy arrays."""

import hashlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.train.checkpoint.arrays import describe


def by_path(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by their paths, such as `"params/conv1/kernel"`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def to_host(tree: Any) -> dict[str, np.ndarray]:
    """Copies the leaves of a tree, so that a later step may overwrite them; random keys become numbers.

    Where parts of an array lie with other processes, all of them must call this.
    """
    return {path: _copy(_numbers(leaf)) for path, leaf in by_path(tree).items()}


def from_host(arrays: Mapping[str, np.ndarray], like: Any) -> Any:
    """Makes a tree of arrays by path.

    Args:
      arrays: as `to_host` gave them.
      like: a tree of arrays of that structure, whose places on the devices are taken too.
    """

    def put(path: Any, leaf: Any) -> Any:
        array = arrays[jax.tree_util.keystr(path, simple=True, separator="/")]
        if _is_key(leaf):
            numbers = jax.device_put(array, jax.random.key_data(leaf).sharding)
            return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf))
        return jax.device_put(array, leaf.sharding) if isinstance(leaf, jax.Array) else array

    return jax.tree_util.tree_map_with_path(put, like)


def to_local(tree: Any) -> Any:
    """Copies a tree's arrays to JAX's default device, from wherever they lie; where some lie with other processes, all
    of them must call this."""

    def move(leaf: Any) -> jax.Array:
        array = jnp.asarray(_copy(_numbers(leaf)))
        return jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf)) if _is_key(leaf) else array

    return jax.tree.map(move, tree)


def nested(arrays: Mapping[str, np.ndarray], root: str) -> dict[str, Any]:
    """Returns the arrays under `root` as nested dicts: `"params/conv1/kernel"` as `{"conv1": {"kernel": …}}`."""
    tree: dict[str, Any] = {}
    for path, array in arrays.items():
        *parents, name = path.split("/")
        if parents[:1] == [root]:
            place = tree
            for parent in parents[1:]:
                place = place.setdefault(parent, {})
            place[name] = array
    return tree


def digest_of_tree(tree: Any) -> str:
    """Returns the SHA-256 of the paths, shapes, dtypes and contents of a tree's arrays."""
    told = hashlib.sha256()
    for described in sorted(describe(to_host(tree))):
        told.update(repr(tuple(described)).encode())
    return told.hexdigest()


def _copy(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))
    return np.array(leaf)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _numbers(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf
