"""The estimate of how long each way takes, and the choice that is made by it."""

import json
import math
import statistics
from pathlib import Path
from typing import Any

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


BY_HAND = {
    # 4 × 7 places; 17 features of a group take two vectors
    "direct": (
        Problem(geometry_of((9, 7), (3, 2), (2, 1), ((1, 0), (0, 1)), groups=2), 5, 6, 34),
        (5 * 28 * 6 * 3 * 64, 5 * 28 * 6 * 6, 0, 5 * 63 * 6, 5 * 28 * 34, 6 * 3 * 34, 1),
    ),
    # the same, and each of 6 positions of the kernel makes a whole output
    "shifted": (
        Problem(geometry_of((9, 7), (3, 2), (2, 1), ((1, 0), (0, 1)), groups=2), 5, 6, 34),
        (5 * 28 * 6 * 3 * 64, 5 * 28 * 6 * 6, 6 * 5 * 28 * 34, 5 * 63 * 6, 5 * 28 * 34, 6 * 3 * 34, 6),
    ),
    # 9 places are 3 tiles of 4: 6 convolutions of 3 × 7 pixels by 1 × 2 windows
    "winograd of 4": (
        Problem(geometry_of((9, 7), (3, 2), padding=((1, 1), (0, 0))), 2, 3, 20),
        tuple(6 * n for n in (2 * 18 * 2 * 3 * 32, 2 * 18 * 2 * 3, 0, 2 * 21 * 3, 2 * 18 * 20, 2 * 3 * 20, 1)),
    ),
    # 9 places are 5 tiles of 2: 4 convolutions of 5 × 7 pixels
    "winograd of 2": (
        Problem(geometry_of((9, 7), (3, 2), padding=((1, 1), (0, 0))), 2, 3, 20),
        tuple(4 * n for n in (2 * 30 * 2 * 3 * 32, 2 * 30 * 2 * 3, 0, 2 * 35 * 3, 2 * 30 * 20, 2 * 3 * 20, 1)),
    ),
    # 9 × 7 places are 3 × 2 tiles of 36 points
    "winograd of 4 by 4": (
        Problem(geometry_of((9, 7), (3, 3), padding=1), 2, 3, 20),
        tuple(36 * n for n in (2 * 6 * 3 * 32, 0, 0, 2 * 6 * 3, 2 * 6 * 20, 3 * 20, 1 / 36)),
    ),
    # they are 3 × 4 tiles of 24 points
    "winograd of 4 by 2": (
        Problem(geometry_of((9, 7), (3, 3), padding=1), 2, 3, 20),
        tuple(24 * n for n in (2 * 12 * 3 * 32, 0, 0, 2 * 12 * 3, 2 * 12 * 20, 3 * 20, 1 / 24)),
    ),
    # they are 5 × 4 tiles of 16 points
    "winograd of 2 by 2": (
        Problem(geometry_of((9, 7), (3, 3), padding=1), 2, 3, 20),
        tuple(16 * n for n in (2 * 20 * 3 * 32, 0, 0, 2 * 20 * 3, 2 * 20 * 20, 3 * 20, 1 / 16)),
    ),
    # 4 neighbours would be 20 features and leave 3 of 2 tiles' 8 places idle: all 5, a window of 2 × 7, 4 × 1 places
    "widened": (
        Problem(geometry_of((5, 7), (2, 3)), 3, 4, 5),
        (3 * 4 * 14 * 4 * 32, 3 * 4 * 14 * 4, 0, 3 * 35 * 4, 3 * 4 * 25, 14 * 4 * 25, 1),
    ),
    # as many channels as before, for XLA's sake
    "widened, odd channels": (
        Problem(geometry_of((5, 7), (2, 3)), 3, 3, 5),
        (3 * 4 * 14 * 4 * 32, 3 * 4 * 14 * 4, 0, 3 * 35 * 4, 3 * 4 * 25, 14 * 4 * 25, 1),
    ),
    # 3 neighbours are 15 features, nearly a vector of 16, and 5 places are 2 tiles: a window of 2 × 5, 4 × 2 places
    "widened gradient": (
        Problem(geometry_of((5, 7), (2, 3)), 3, 4, 5),
        (3 * 8 * 10 * 4 * 16, 3 * 8 * 10 * 4, 0, 3 * 35 * 4, 3 * 8 * 15, 10 * 4 * 15, 1),
    ),
    # 14 × 10 pixels with the padding; spectra of 2 images of 4 and of 6 channels, and of 12 kernels
    "fft": (
        Problem(geometry_of((10, 6), (5, 5), padding=2, groups=2), 2, 4, 6),
        (140 * 24, 140 * 32 * math.log2(140), 0, 140 * 8, 140 * 12, 140 * 12, 1),
    ),
}


@pytest.mark.parametrize("way", BY_HAND)
def test_the_work_by_hand(way: str) -> None:
    problem, work = BY_HAND[way]
    assert costs.WORK[way.split(",")[0]](problem) == pytest.approx(work)


def test_the_price_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, _ = BY_HAND["direct"]
    monkeypatch.setitem(costs.PRICES, ("convolution", "direct", "grouped"), (1e-9, 2e-9, 1.0, 3e-9, 4e-9, 5e-9, 6e-6))
    monkeypatch.setitem(costs.COMPILE, ("convolution", "direct"), 0.25)
    spent = (161280 + 2 * 5040 + 3 * 1890 + 4 * 4760 + 5 * 612) * 1e-9 + 6e-6 + 0.25 / 300
    assert costs.seconds("convolution", "direct", problem) == pytest.approx(spent)


def kernel_of(*window: int, **rest: Any) -> Problem:
    """Of images of 20 × 20 pixels, 2 of them, with 4 channels and 8 features."""
    return Problem(geometry_of((20, 20), window, **rest), 2, 4, 8)


@pytest.mark.parametrize(
    ("way", "problem", "exact", "is_allowed"),
    [
        ("winograd of 2", kernel_of(3, 2), True, True),
        ("winograd of 4", kernel_of(2, 3), False, True),
        ("winograd of 4", kernel_of(3, 3), True, False),
        ("winograd of 4 by 4", kernel_of(3, 3), False, True),
        ("winograd of 4 by 4", kernel_of(3, 3), True, False),
        ("winograd of 4 by 4", kernel_of(2, 3), False, False),
        ("winograd of 4 by 4", Problem(geometry_of((20,), (3,)), 2, 4, 8), False, False),
        ("winograd of 4 by 4", Problem(geometry_of((9, 9, 9), (3, 3, 3)), 2, 4, 8), False, False),
        ("winograd of 4 by 4", kernel_of(3, 3, strides=(1, 2)), False, False),
        ("winograd of 4 by 4", kernel_of(3, 3, dilation=(2, 1)), False, False),
        ("winograd of 4 by 4", kernel_of(3, 3, groups=2), False, False),
        ("winograd of 4 by 4", kernel_of(3, 3)._replace(channels=451, features=452), False, True),
        ("winograd of 4 by 4", kernel_of(3, 3)._replace(channels=452, features=452), False, False),  # 28 MiB of kernels
        ("winograd of 4 by 2", kernel_of(3, 3)._replace(channels=553, features=553), False, True),
        ("winograd of 4 by 2", kernel_of(3, 3)._replace(channels=553, features=554), False, False),
        ("winograd of 4 by 2", kernel_of(3, 3), True, False),
        ("winograd of 2 by 2", kernel_of(3, 3), True, True),
        ("winograd of 2 by 2", kernel_of(2, 3), True, False),
        ("winograd of 2 by 2", kernel_of(3, 3)._replace(channels=1), True, False),  # no product of matrices
        ("winograd of 2", kernel_of(3, 3)._replace(channels=1), True, False),
        ("winograd of 2", kernel_of(3, 3, strides=2), False, False),
        ("winograd of 2", kernel_of(3, 3, dilation=2), False, False),
        ("winograd of 2", kernel_of(3, 3, groups=2), False, False),
        ("shifted", kernel_of(4, 8), False, True),  # 32 positions
        ("shifted", kernel_of(3, 11), False, False),
        ("shifted", kernel_of(3, 3, groups=4), False, True),  # a group is one channel
        ("shifted", kernel_of(3, 3, groups=2), False, False),
        ("shifted", kernel_of(3, 3)._replace(channels=1), False, False),
        ("shifted", kernel_of(3, 3)._replace(channels=2), False, True),
        ("widened", kernel_of(3, 3), False, True),
        ("widened", kernel_of(3, 3)._replace(features=16), False, True),
        ("widened", kernel_of(3, 3)._replace(features=17), False, False),
        ("widened", kernel_of(3, 3)._replace(channels=3, features=32), False, True),  # odd channels get one more
        ("widened", kernel_of(3, 3)._replace(channels=3, features=33), False, False),
        ("widened", kernel_of(3, 3)._replace(channels=1, features=17), False, False),
        ("widened", kernel_of(3, 3, groups=2), False, False),
        ("widened", kernel_of(3, 3, dilation=(2, 1)), False, True),
        ("widened", kernel_of(3, 3, dilation=(1, 2)), False, False),
        ("widened gradient", kernel_of(3, 3), False, True),  # 8 features are half a vector
        ("widened gradient", kernel_of(3, 3)._replace(features=16), False, False),
        ("widened gradient", kernel_of(3, 3, groups=2), False, False),
        ("widened gradient", kernel_of(3, 3, dilation=(1, 2)), False, False),
        ("patches", kernel_of(9, 9, groups=2), True, True),
        ("direct", kernel_of(9, 9, groups=2), True, True),
    ],
)
def test_what_is_allowed_by_hand(way: str, problem: Problem, exact: bool, is_allowed: bool) -> None:
    assert costs.allowed(way, problem, 4, exact) == is_allowed


def test_the_fft_is_allowed_for_large_kernels_whose_spectra_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "FFT_IS_SAFE", True)
    assert costs.allowed("fft", kernel_of(1, 17), 4, exact=True)
    assert not costs.allowed("fft", kernel_of(4, 4), 4, exact=True)
    for itemsize in (4, 8):
        # a complex number for each of 400 pixels: of 4 channels and 8 features an image, and of 32 kernels
        most = int(((32 << 20) / (2 * itemsize * 400) - 32) / 12)
        assert costs.allowed("fft", kernel_of(5, 5)._replace(batch=most), itemsize, exact=True)
        assert not costs.allowed("fft", kernel_of(5, 5)._replace(batch=most + 1), itemsize, exact=True)
    monkeypatch.setattr(costs, "FFT_IS_SAFE", False)
    assert not costs.allowed("fft", kernel_of(1, 17), 4, exact=True)


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (kernel_of(3, 3, groups=2), "grouped"),
        (kernel_of(3, 3)._replace(channels=1, features=16), "single"),
        (kernel_of(3, 3)._replace(channels=1, features=17), "outer"),
        (kernel_of(3, 3)._replace(channels=2, features=16), "narrow"),
        (kernel_of(3, 3)._replace(channels=2, features=17), "wide"),
        (kernel_of(3, 3)._replace(channels=17, features=2), "wide"),
    ],
)
def test_sorts_by_hand(problem: Problem, kind: str) -> None:
    assert costs.sort(problem) == kind


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
        assert not (exact and chosen.startswith("winograd of 4"))


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_way_is_the_fastest_for_some_layer(kind: str) -> None:
    chosen = {costs.fastest(kind, problem, 4, exact=False) for problem in LAYERS}
    assert len(chosen) >= 4, f"{kind}: only {sorted(chosen)}"
    assert {"direct", "winograd of 4 by 4"} <= chosen
    # Smaller tiles where the transformed kernels of larger ones would be too large, and one axis where theirs would.
    large = Problem(geometry_of((4, 4), (3, 3), padding=1), 32, 512, 512)
    assert costs.fastest(kind, large, 4, exact=False) == "winograd of 4 by 2"
    assert costs.fastest(kind, large._replace(features=1024), 4, exact=False) == "winograd of 4"


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
