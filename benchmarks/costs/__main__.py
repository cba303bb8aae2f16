"""Measures the ways to compute a convolution on the CPU, and fits the prices by which fnn chooses among them.

    python -m benchmarks.costs                                        # measures, then fits: twenty minutes
    python -m benchmarks.costs --measure=more --seed=1 --problems=40  # keeps what was measured, and adds to it
    python -m benchmarks.costs --measure=more --seed=2 --problems=30 --sorts=narrow,single    # of some sorts alone
    python -m benchmarks.costs --measure=again --sorts=wide           # measures the same convolutions again
    python -m benchmarks.costs --measure=ways --ways=widened          # measures some ways again, or new ones
    python -m benchmarks.costs --measure=compiling                    # measures again what compiling takes
    python -m benchmarks.costs --measure=nothing                      # fits again what was measured

Times a spread of random convolutions, and gradients in the kernel, in each way that computes them; writes the times
to `convolution_times.json` beside this file. Then finds for each way the prices that make `Σ price · amount` of
`fnn.ops.cpu.costs` follow the times, prints how well that orders the ways, and writes `fnn/ops/cpu/prices.py`.
"""

import json
import statistics
from pathlib import Path
from typing import Any

import jax
from absl import app, flags
from tqdm import tqdm

from benchmarks.costs.fit import Prices, Seconds, fit, regret
from benchmarks.costs.measure import KINDS, compile_ways, measure
from benchmarks.costs.problems import problem_of, random_problems
from fnn.ops.cpu import costs
from fnn.train import keep_memory

_MEASURE = flags.DEFINE_enum(
    "measure",
    "all",
    ["all", "more", "again", "ways", "compiling", "nothing"],
    "what to measure before the prices are fitted",
)
_WAYS = flags.DEFINE_list("ways", [], "of --measure=ways: which, of both kinds of operation")
_SEED = flags.DEFINE_integer("seed", 0, "which random convolutions")
_PROBLEMS = flags.DEFINE_integer("problems", 120, "how many random convolutions to measure", lower_bound=1)
_SORTS = flags.DEFINE_list("sorts", [], "only convolutions of these sorts, such as narrow,single; without, of all")
_REPEATS = flags.DEFINE_integer("repeats", 7, "how often to time each way of each", lower_bound=1)

TIMES = Path(__file__).parent / "convolution_times.json"
"""The measurements."""
PRICES = Path(costs.__file__).parent / "prices.py"
"""What is fitted to them."""


def write_times(measured: list[dict[str, Any]]) -> None:
    """Writes the measurements, one a line."""
    TIMES.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in measured) + "\n]\n")


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


def _measure_again(entry: dict[str, Any]) -> None:
    """Measures all ways of a problem again."""
    entry["ways"] = measure(problem_of(entry), entry["kind"], _REPEATS.value)


def _measure_compiling(entry: dict[str, Any]) -> None:
    """Measures again what compiling the ways of a problem takes."""
    compiling = compile_ways(problem_of(entry), entry["kind"])[1]
    for way in entry["ways"].keys() & compiling.keys():
        entry["ways"][way]["compile"] = compiling[way]


def _measure_ways(entry: dict[str, Any]) -> None:
    """Measures some ways of a problem beside XLA's own, by whose time of before theirs are made comparable."""
    ways = {"direct", *_WAYS.value} & KINDS[entry["kind"]].keys()
    problem = problem_of(entry)
    if not any(costs.allowed(way, problem, 4, exact=False) for way in ways - {"direct"}):
        return
    times = measure(problem, entry["kind"], _REPEATS.value, ways)
    before = entry["ways"]["direct"]["seconds"] / times.pop("direct")["seconds"]
    entry["ways"] |= {way: {**time, "seconds": before * time["seconds"]} for way, time in times.items()}


def main(_: list[str]) -> None:
    """Measures and fits."""
    ways = {way for ways in KINDS.values() for way in ways}
    if not ways.issuperset(_WAYS.value) or (_MEASURE.value == "ways") != bool(_WAYS.value):
        raise app.UsageError(f"--measure=ways and --ways go together; --ways can name {', '.join(sorted(ways))}")
    sorts = {sort for _, _, sort in costs.PRICES}
    if not sorts.issuperset(_SORTS.value):
        raise app.UsageError(f"--sorts can name {', '.join(sorted(sorts))}")
    keep_memory()  # as `fit` does
    measured = [] if _MEASURE.value == "all" else json.loads(TIMES.read_text())
    if _MEASURE.value in ("all", "more"):
        for problem in tqdm(list(random_problems(_PROBLEMS.value, _SEED.value, _SORTS.value)), disable=None):
            for kind in KINDS:
                times = measure(problem, kind, _REPEATS.value)
                measured.append({"kind": kind, **problem._asdict(), "ways": times})
            jax.clear_caches()
    elif _MEASURE.value != "nothing":
        again = {"again": _measure_again, "ways": _measure_ways, "compiling": _measure_compiling}[_MEASURE.value]
        wanted = [entry for entry in measured if not _SORTS.value or costs.sort(problem_of(entry)) in _SORTS.value]
        for entry in tqdm(wanted, disable=None):
            again(entry)
            jax.clear_caches()
    if _MEASURE.value != "nothing":
        write_times(measured)
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
