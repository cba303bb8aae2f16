"""Keys by name."""

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


def test_a_name_has_the_same_number_for_ever() -> None:
    """If this changes, every saved seed gives another network."""
    assert number_of("conv1") == int.from_bytes(
        __import__("hashlib").blake2b(b"conv1", digest_size=8).digest(), "little"
    )
    assert number_of("conv1") != number_of("conv2")
