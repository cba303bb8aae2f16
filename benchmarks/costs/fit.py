"""The prices that follow the measured times, and how well they choose."""

import math
import statistics
from typing import Any

import numpy as np
import scipy.optimize

from benchmarks.costs.problems import problem_of
from fnn.ops.cpu import costs

Prices = dict[tuple[str, str, str], list[float]]
"""By kind, way and sort of problem."""
Seconds = dict[tuple[str, str], float]
"""By kind and way."""


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
    return [0.0 if price < 1e-12 else float(f"{price:.3g}") for price in prices]


def regret(measured: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Returns, for each kind and measured problem, the time of the way that is chosen over that of the fastest."""
    ratios: dict[str, list[float]] = {}
    for entry in measured:
        chosen = costs.fastest(entry["kind"], problem_of(entry), 4, exact=False)
        times = {way: result["seconds"] for way, result in entry["ways"].items()}
        ratios.setdefault(entry["kind"], []).append(times.get(chosen, math.inf) / min(times.values()))
    return ratios
