"""How long each way to compute a convolution takes here, compiled as `fit` compiles a step."""

import math
import statistics
import time
from collections.abc import Callable, Collection
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from fnn.ops.cpu import costs, kernel_ways, ways
from fnn.train import compiler_options

KINDS = {"convolution": ways.WAYS, "kernel gradient": kernel_ways.WAYS}
"""The ways of each kind of operation."""

Programs = dict[str, Callable[[], jax.Array]]
"""By way."""


def compile_ways(
    problem: costs.Problem, kind: str, only: Collection[str] | None = None
) -> tuple[Programs, dict[str, float]]:
    """Returns each way of a problem, or only some, compiled and run once, and the seconds that compiling took."""
    geometry, batch, channels, features = problem
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal(shape, np.float32))

    x = draw(batch, *geometry.sizes, channels)
    if kind == "convolution":
        other = draw(*geometry.window, channels // geometry.groups, features)
    else:
        other = draw(batch, *geometry.places, features)
    programs, compiling = {}, {}
    for name, way in KINDS[kind].items():
        if only is not None and name not in only:
            continue
        # Far more products than the best way needs: not worth waiting for.
        patience = 64 << 20 if name == "shifted" and geometry.groups == 1 else math.inf
        if not costs.allowed(name, problem, 4, exact=False) or costs.WORK[name](problem).partial > patience:
            continue
        function = jax.jit(lambda a, b, way=way: way(a, b, geometry=geometry))
        options = compiler_options(function, x, other)
        start = time.perf_counter()
        programs[name] = partial(function.lower(x, other).compile(options), x, other)
        compiling[name] = time.perf_counter() - start
        programs[name]().block_until_ready()
    return programs, compiling


def measure(
    problem: costs.Problem, kind: str, repeats: int, only: Collection[str] | None = None
) -> dict[str, dict[str, float]]:
    """Returns the median seconds of each way, or of some, and what compiling it took; the ways take turns."""
    programs, compiling = compile_ways(problem, kind, only)
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(repeats):
        for name, program in programs.items():
            start = time.perf_counter()
            program().block_until_ready()
            times[name].append(time.perf_counter() - start)
    return {name: {"seconds": statistics.median(t), "compile": compiling[name]} for name, t in times.items()}
