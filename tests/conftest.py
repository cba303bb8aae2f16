"""Every test runs under JAX's strict rules, without silent promotion of dtypes or ranks, and compiles quickly."""

import gc
import os
from collections.abc import Iterator

import jax
import pytest
import quick

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# Compiled programs are kept between runs of the tests only within one process: nothing depends on an earlier run.
jax.config.update("jax_enable_compilation_cache", False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="also run the tests that take minutes")
    parser.addoption("--optimize", action="store_true", help="compile as users do, in several times the time")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "thorough: more of what a shorter test covers; runs with --thorough alone")
    if not config.getoption("--optimize"):  # XLA reads its flags once, when the first program is compiled
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {quick.FLAGS}".strip()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--thorough"):
        for item in items:
            if item.get_closest_marker("thorough"):
                item.add_marker(pytest.mark.skip(reason="takes minutes; run with --thorough"))


def pytest_collection_finish() -> None:
    """Has Python look for garbage less often, and not among what was imported and collected, which stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture
def key() -> jax.Array:
    """A random key."""
    return jax.random.key(0)


@pytest.fixture
def optax_promotes() -> Iterator[None]:
    """Lets dtypes be promoted: optax's Adam and its kin do so themselves."""
    with jax.numpy_dtype_promotion("standard"):
        yield
