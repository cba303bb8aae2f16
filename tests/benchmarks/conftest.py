"""How JAX treats code that is not fnn's own, and how long it compiles."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True)
def _jax() -> Iterator[None]:
    """Other libraries, and JAX as it is written by hand, promote dtypes and ranks; what runs once compiles quickly."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
    jax.config.update("jax_disable_most_optimizations", before)
