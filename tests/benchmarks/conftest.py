"""How JAX treats code that is not fnn's own."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True)
def _jax() -> Iterator[None]:
    """Other libraries, and JAX as it is written by hand, promote dtypes and ranks."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
