"""The estimate of how long each way takes, and the choice that is made by it."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from ops.problems import Problem, allowed_problems, geometry_of, random_problems

from fnn.ops.cpu import costs, kernel_ways, ways

KINDS = {"convolution": ways.WAYS, "kernel gradient": kernel_ways.WAYS}
TIMES = Path(__file__).parents[2] / "benchmarks" / "costs" / "convolution_times.json"
PROBLEMS = [p for seed in range(8) for p in random_problems(700 + seed, 50, wide=seed % 2 == 0, most=1e9)]
LAYERS = [
    Problem(
        geometry_of((size, size), (window, window), stride, (window - 1) // 2, 1, groups), batch, channels, features
    )
    for batch in (1, 8, 64)
    for size in (1, 2, 4, 8, 16, 32)
    for channels in (1, 3, 32, 64, 256)
    for features in (32, 64, 256)
    for window in (1, 3, 5, 7, 21)
    for stride in (1, 2)
    for groups in (1, channels)
    if channels % groups == features % groups == 0
]


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_way_has_prices_and_none_is_negative(kind: str) -> None:
    ways_of_kind = {way for known, way, *_ in costs.PRICES if known == kind}
    assert ways_of_kind - {"fft"} == set(KINDS[kind]) - {"fft"}  # the FFT is none where XLA's can stand still
    for key, prices in costs.PRICES.items():
        assert len(prices) == len(costs.Work._fields)
        assert min(prices) >= 0
        assert max(prices) > 0, f"{key} is free"
    for way in KINDS[kind]:
        assert 0 <= costs.COMPILE[kind, way] < 60


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_allowed_way_takes_some_time(kind: str) -> None:
    for problem in (*PROBLEMS, *LAYERS):
        for way in KINDS[kind]:
            if costs.allowed(way, problem, 4, exact=False):
                assert 0 < costs.seconds(kind, way, problem) < 1e4, f"{way} of {problem}"
                assert min(costs.WORK[way](problem)) >= 0


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_chosen_way_is_the_fastest_of_those_allowed(kind: str, itemsize: int, exact: bool) -> None:
    for problem in (*PROBLEMS, *LAYERS):
        chosen = costs.fastest(kind, problem, itemsize, exact)
        allowed = [way for way in KINDS[kind] if costs.allowed(way, problem, itemsize, exact)]
        assert chosen in allowed
        assert costs.seconds(kind, chosen, problem) == min(costs.seconds(kind, way, problem) for way in allowed)
        assert not (exact and chosen == "winograd of 4")


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_way_is_the_fastest_for_some_layer(kind: str) -> None:
    chosen = {costs.fastest(kind, problem, 4, exact=False) for problem in LAYERS}
    assert len(chosen) >= 4, f"{kind}: only {sorted(chosen)}"
    assert {"direct", "winograd of 4"} <= chosen


@pytest.mark.parametrize("way", ways.WAYS)
def test_ways_are_allowed_only_where_they_are_right(way: str) -> None:
    for problem in allowed_problems(way, 800, 40):
        geometry = problem.geometry
        if "winograd" in way:
            assert geometry.groups == 1
            assert (3, 1, 1) in zip(geometry.window, geometry.strides, geometry.dilation, strict=True)
        if way == "fft":
            assert np.prod(geometry.window) > 16
    big = Problem(geometry_of((224, 224), (11, 11), padding=5), 64, 64, 64)
    if way == "fft":
        assert not costs.allowed(way, big, 4, exact=False), "its spectra would fill gigabytes"
    assert costs.allowed("direct", big, 4, exact=True)


def test_more_work_takes_more_time() -> None:
    for kind, known in KINDS.items():
        for problem in LAYERS:
            more = problem._replace(batch=2 * problem.batch)
            for way in known:
                if costs.allowed(way, problem, 4, exact=False) and costs.allowed(way, more, 4, exact=False):
                    assert costs.seconds(kind, way, problem) <= costs.seconds(kind, way, more)


@pytest.mark.skipif(not TIMES.exists(), reason="the measurements are not here")
class TestMeasurements:
    def test_choosing_costs_little(self) -> None:
        from benchmarks.costs.fit import regret

        measured = json.loads(TIMES.read_text())
        assert len(measured) >= 100
        for kind, ratios in regret(measured).items():
            assert len(ratios) >= 50
            assert min(ratios) >= 1
            assert statistics.median(ratios) < 1.15, kind

    def test_the_prices_are_those_that_are_fitted(self) -> None:
        from benchmarks.costs.fit import fit

        prices, compiling = fit(json.loads(TIMES.read_text()))
        assert {key: tuple(value) for key, value in prices.items()} == costs.PRICES
        assert compiling == costs.COMPILE
