"""Every test runs under JAX's strict rules: no silent promotion of dtypes or ranks."""

from collections.abc import Iterator

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# Compiled programs are kept between runs of the tests only within one process: nothing depends on an earlier run.
jax.config.update("jax_enable_compilation_cache", False)


@pytest.fixture
def key() -> jax.Array:
    """A random key."""
    return jax.random.key(0)


@pytest.fixture
def optax_promotes() -> Iterator[None]:
    """Lets dtypes be promoted: optax's Adam and its kin do so themselves."""
    with jax.numpy_dtype_promotion("standard"):
        yield
