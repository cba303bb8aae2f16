"""Keys by name: every source of randomness is derived from (seed, name, step), so that none depends on another."""

import zlib

import jax
import numpy as np


def number_of(name: str) -> np.uint32:
    """Returns the same number for the same name, on every machine and in every run (Python's `hash` does not)."""
    return np.uint32(zlib.crc32(name.encode()))


def named_key(key: jax.Array, name: str) -> jax.Array:
    """Derives a key from a name."""
    return jax.random.fold_in(key, number_of(name))
