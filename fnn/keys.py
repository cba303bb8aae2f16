"""Keys by name: every source of randomness is derived from (seed, name, step), so that none depends on another."""

import hashlib

import jax
import numpy as np


def number_of(name: str) -> int:
    """Returns a number of 64 bits, the same for the same name on every machine (Python's `hash` is not)."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def named_key(key: jax.Array, name: str) -> jax.Array:
    """Derives a key from a name."""
    high, low = divmod(number_of(name), 1 << 32)
    return jax.random.fold_in(jax.random.fold_in(key, np.uint32(high)), np.uint32(low))
