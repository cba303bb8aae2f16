"""Keys by name."""

import hashlib

import jax
import numpy as np

from fnn.keys import named_key, number_of


def test_names_of_equal_crc32_have_different_keys() -> None:
    """A 32-bit checksum gave these two, which are found by looking for them, the same key."""
    a, b = (jax.random.key_data(named_key(jax.random.key(0), name)) for name in ("plumless", "buckeroo"))
    assert np.any(a != b)


def test_every_bit_of_a_names_number_counts() -> None:
    keys = {bytes(np.asarray(jax.random.key_data(named_key(jax.random.key(0), f"layer{i}")))) for i in range(300)}
    assert len(keys) == 300
    assert max(number_of(f"layer{i}") for i in range(300)) > 1 << 60


def test_a_name_has_the_same_key_for_ever() -> None:
    """If this changes, every saved seed gives another network."""
    number = int.from_bytes(hashlib.blake2b(b"conv1", digest_size=8).digest(), "little")
    assert number_of("conv1") == number == 9823698235986284155
    key = jax.random.key(0)
    halves = jax.random.fold_in(jax.random.fold_in(key, np.uint32(number >> 32)), np.uint32(number & 0xFFFFFFFF))
    for made in (halves, named_key(key, "conv1")):
        np.testing.assert_array_equal(jax.random.key_data(made), np.array([1852963967, 1649892077], np.uint32))
    assert number_of("conv1") != number_of("conv2")
