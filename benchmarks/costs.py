"""Measures the ways to compute a convolution on the CPU, and fits the prices by which fnn chooses among them.

    python -m benchmarks.costs            # measures, then fits: ten minutes
    python -m benchmarks.costs --append --seed=1 --problems=40      # measures more
    python -m benchmarks.costs --fit      # fits again what was measured

Times a spread of random convolutions, and gradients in the kernel, in each way that computes them; writes the times
to `benchmarks/convolution_times.json`. Then finds for each way the prices that make `Σ price · amount` of
`fnn.ops.cpu.costs` follow the times, prints how well that orders the ways, and writes `fnn/ops/cpu/prices.py`.
"""

import json
import math
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from absl import app, flags
from tqdm import tqdm

from fnn.ops.cpu import costs, kernel_ways, ways
from fnn.ops.geometry import Geometry

_FIT = flags.DEFINE_boolean("fit", False, "fit again what was measured, and measure nothing")
_APPEND = flags.DEFINE_boolean("append", False, "keep what was measured before, and add to it")
_SEED = flags.DEFINE_integer("seed", 0, "which random convolutions")
_PROBLEMS = flags.DEFINE_integer("problems", 120, "how many random convolutions to measure", lower_bound=1)
_REPEATS = flags.DEFINE_integer("repeats", 7, "how often to time each way of each", lower_bound=1)

TIMES = Path(__file__).parent / "convolution_times.json"
"""The measurements."""
PRICES = Path(costs.__file__).parent / "prices.py"
"""What is fitted to them."""
Prices = dict[tuple[str, str, str], list[float]]
"""By kind, way and sort of problem."""
Seconds = dict[tuple[str, str], float]
"""By kind and way."""
KINDS = {"convolution": ways.WAYS, "kernel gradient": kernel_ways.WAYS}
"""The ways of each kind of operation."""


def random_problems(count: int, seed: int) -> Iterator[costs.Problem]:
    """Yields convolutions of images like those of real networks: 10⁶ to 3·10⁹ multiply-adds, below 64 MB of images."""
    rng = random.Random(seed)
    while count:
        size, batch = rng.choice([1, 2, 4, 7, 8, 14, 16, 28, 32, 56]), rng.choice([1, 8, 32, 32, 64, 128])
        channels = rng.choice([1, 1, 3, 6, 16, 32, 64, 64, 128, 128, 256, 512])
        features = rng.choice([1, 3, 6, 8, 16, 16, 24, 32, 64, 64, 128, 128, 256, 512])
        kernel, stride = rng.choice([1, 2, 3, 3, 3, 3, 5, 7, 11, 21]), rng.choice([1, 1, 1, 2])
        groups = rng.choice([1] * 5 + [channels, 2, 8])
        if channels % groups or features % groups or kernel > 2 * size:
            continue
        low = (kernel - 1) // 2
        padding = ((low, kernel - 1 - low),) * 2
        geometry = Geometry((size, size), (kernel, kernel), (stride, stride), padding, (1, 1), groups)
        problem = costs.Problem(geometry, batch, channels, features)
        products = batch * math.prod(geometry.places) * kernel**2 * channels * features / groups
        if 1e6 < products < 3e9 and 4 * batch * size**2 * max(channels, features) < 64 << 20:
            count -= 1
            yield problem


def measure(problem: costs.Problem, kind: str, repeats: int) -> dict[str, dict[str, float]]:
    """Returns the median seconds of each way, and what compiling it took; the ways take turns."""
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
        # Far more products than the best way needs: not worth waiting for.
        patience = 64 << 20 if name == "shifted" and geometry.groups == 1 else math.inf
        if not costs.allowed(name, problem, 4, exact=False) or costs.WORK[name](problem).partial > patience:
            continue
        start = time.perf_counter()
        lowered = jax.jit(lambda a, b, way=way: way(a, b, geometry=geometry)).lower(x, other)
        programs[name] = lowered.compile()
        compiling[name] = time.perf_counter() - start
        programs[name](x, other).block_until_ready()
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(repeats):
        for name, program in programs.items():
            start = time.perf_counter()
            program(x, other).block_until_ready()
            times[name].append(time.perf_counter() - start)
    return {name: {"seconds": statistics.median(t), "compile": compiling[name]} for name, t in times.items()}


def fit(measured: list[dict[str, Any]]) -> tuple[Prices, Seconds]:
    """Returns the prices of each (kind, way, sort), and the median seconds of compiling each (kind, way)."""
    rows: dict[tuple[str, str, str], list[list[float]]] = {}
    compiling: dict[tuple[str, str], list[float]] = {}
    for entry in measured:
        problem = problem_of(entry)
        for way, result in entry["ways"].items():
            amounts = costs.WORK[way](problem)
            key = (entry["kind"], way, costs.sort(problem))
            rows.setdefault(key, []).append([amount / result["seconds"] for amount in amounts])
            compiling.setdefault((entry["kind"], way), []).append(result["compile"])
    prices = {key: _fit_one(np.array(lines)) for key, lines in rows.items()}
    return prices, {key: round(statistics.median(seconds), 3) for key, seconds in compiling.items()}


def _fit_one(matrix: np.ndarray) -> list[float]:
    """Returns the non-negative prices `p` for which `matrix · p`, estimated over measured time, is nearest to 1.

    First by least squares, then by the logarithm, in which half and double are as far off.
    """
    used = np.flatnonzero(matrix.max(0))
    matrix = matrix[:, used]
    scale = matrix.max(0)
    start, _ = scipy.optimize.nnls(matrix / scale, np.ones(len(matrix)))

    def off(logarithms: np.ndarray) -> np.ndarray:
        return np.log(matrix / scale @ np.exp(logarithms))

    better = scipy.optimize.least_squares(off, np.log(np.maximum(start, 1e-3)))
    prices = np.zeros(len(costs.Work._fields))
    prices[used] = np.exp(better.x) / scale
    return [0.0 if price < 1e-14 else float(f"{price:.3g}") for price in prices]


def problem_of(entry: dict[str, Any]) -> costs.Problem:
    """Reads a problem back from the measurements."""
    sizes, window, strides, padding, dilation, groups = entry["geometry"]
    pairs = tuple((low, high) for low, high in padding)
    geometry = Geometry(tuple(sizes), tuple(window), tuple(strides), pairs, tuple(dilation), groups)
    return costs.Problem(geometry, entry["batch"], entry["channels"], entry["features"])


def regret(measured: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Returns, for each kind and measured problem, the time of the way that is chosen over that of the fastest."""
    ratios: dict[str, list[float]] = {}
    for entry in measured:
        chosen = costs.fastest(entry["kind"], problem_of(entry), 4, exact=False)
        times = {way: result["seconds"] for way, result in entry["ways"].items()}
        ratios.setdefault(entry["kind"], []).append(times.get(chosen, math.inf) / min(times.values()))
    return ratios


def write_prices(prices: Prices, compiling: Seconds) -> None:
    """Writes `fnn/ops/cpu/prices.py`."""
    lines = [
        '"""What each unit of work costs each way, in seconds. Written by `python -m benchmarks.costs`."""',
        "",
        "# (kind, way, sort of problem): products, patches, partial, input, output, kernel, calls",
        "PRICES: dict[tuple[str, str, str], tuple[float, ...]] = {",
        *(f'    ("{kind}", "{way}", "{sort}"): {tuple(p)},' for (kind, way, sort), p in sorted(prices.items())),
        "}",
        '"""As in `fnn.ops.cpu.costs.Work`."""',
        "",
        "COMPILE: dict[tuple[str, str], float] = {",
        *(f'    ("{kind}", "{way}"): {seconds},' for (kind, way), seconds in sorted(compiling.items())),
        "}",
        '"""Seconds that compiling takes."""',
        "",
    ]
    PRICES.write_text("\n".join(lines))


def main(_: list[str]) -> None:
    """Measures and fits."""
    if not _FIT.value:
        measured = json.loads(TIMES.read_text()) if _APPEND.value else []
        for problem in tqdm(list(random_problems(_PROBLEMS.value, _SEED.value)), disable=None):
            for kind in KINDS:
                times = measure(problem, kind, _REPEATS.value)
                measured.append({"kind": kind, **problem._asdict(), "ways": times})
            jax.clear_caches()
        TIMES.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in measured) + "\n]\n")
    measured = json.loads(TIMES.read_text())
    prices, compiling = fit(measured)
    write_prices(prices, compiling)
    costs.PRICES.clear()
    costs.PRICES.update({key: tuple(value) for key, value in prices.items()})
    costs.COMPILE.update(compiling)
    for kind, ratios in regret(measured).items():
        typical, worst = statistics.median(ratios), max(ratios)
        print(f"{kind}: the chosen way takes {typical:.2f} (median) to {worst:.2f} (worst) of the fastest's time")


if __name__ == "__main__":
    app.run(main)
