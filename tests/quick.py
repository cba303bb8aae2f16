"""What keeps the default run short: programs that run once are hardly optimized, and most random cases are thorough."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jaxlib.version
import pytest

QUICK: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""XLA's options that compile in a sixth of the time."""
if jaxlib.version.__version_info__ < (0, 11):
    QUICK["xla_cpu_use_fusion_emitters"] = False  # which 0.11 no longer knows

FLAGS = " ".join(f"--{name}={str(value).lower()}" for name, value in QUICK.items())
"""The same for a process of its own, in its environment's `XLA_FLAGS`."""

jit = partial(jax.jit, compiler_options=QUICK)
"""`jax.jit` for tests of values. What is about memory or rounding is compiled as users do."""


def thorough(cases: Iterable[Any]) -> list[Any]:
    """Cases for `pytest.mark.parametrize` that only `--thorough` runs."""
    return [pytest.param(case, marks=pytest.mark.thorough) for case in cases]
