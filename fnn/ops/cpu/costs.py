"""How long each way takes: a sum of amounts of work, each at a price per unit.

    seconds = Σ price · amount        over the amounts of `Work`

The amounts follow from the shapes alone. The prices, one set for each way and sort of problem, are fitted to measured
times by `python -m benchmarks.costs`, which keeps the measurements beside it and writes `prices.py`. They only have to
put the ways into the right order; what machine they were measured on matters little, for all ways slow down together.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from fnn.ops.cpu import tiles, winograd
from fnn.ops.cpu.neighbours import (
    ENOUGH_FEATURES,
    missing_channels,
    neighbours,
    neighbours_of_gradient,
    widen_geometry,
)
from fnn.ops.cpu.prices import COMPILE, PRICES
from fnn.ops.cpu.ways import FFT_IS_SAFE
from fnn.ops.geometry import Geometry

_VECTOR = 16
"""Numbers that one instruction multiplies: fewer features cost as much."""

_KERNELS = 28 << 20
"""Bytes that a transformed kernel may take, which is not divided into rounds: below what is new memory in each call."""

_STEPS = 300
"""In how many calls a way has to win back the time that compiling it takes."""


class Problem(NamedTuple):
    """A convolution, or a gradient of one, to be done in some way."""

    geometry: Geometry
    batch: int
    channels: int
    features: int


class Work(NamedTuple):
    """What a way does, in numbers of things."""

    products: float
    """Multiplications that are added up, those of idle vector lanes included."""
    patches: float
    """Numbers that are gathered from under windows."""
    partial: float
    """Numbers of results that are not final and are added up later."""
    input: float
    """Numbers in the image."""
    output: float
    """Numbers in the output."""
    kernel: float
    """Numbers in the kernel, or in the transformed kernels."""
    calls: float
    """Separate operations."""


def _work_directly(problem: Problem) -> Work:
    geometry, batch, channels, features = problem
    window, places = math.prod(geometry.window), math.prod(geometry.places)
    per_group = channels // geometry.groups
    lanes = -(-features // geometry.groups // _VECTOR) * _VECTOR * geometry.groups
    return Work(
        products=batch * places * window * per_group * lanes,
        patches=batch * places * window * channels,
        partial=0,
        input=batch * math.prod(geometry.sizes) * channels,
        output=batch * places * features,
        kernel=window * per_group * features,
        calls=1,
    )


def _work_shifted(problem: Problem) -> Work:
    work = _work_directly(problem)
    window = math.prod(problem.geometry.window)
    return work._replace(partial=window * work.output, calls=window)


def _work_by_winograd(problem: Problem, outputs: int) -> Work:
    geometry, batch, channels, features = problem
    axis = winograd.axis_of(geometry)
    assert axis is not None, "asked only where there is one"
    inside = winograd.inner(geometry, axis, winograd.tiles_of(geometry, axis, outputs))
    work = _work_directly(Problem(inside, batch, channels, features))
    return Work(*((outputs + 2) * amount for amount in work))


def _work_by_tiles(problem: Problem, tile: tiles.Tile) -> Work:
    geometry, batch, channels, features = problem
    points = batch * tiles.points_of(geometry, tile)
    return Work(
        products=points * channels * -(-features // _VECTOR) * _VECTOR,
        patches=0,
        partial=0,
        input=points * channels,
        output=points * features,
        kernel=tiles.points(tile) * channels * features,
        calls=1,
    )


def _work_widened(problem: Problem, outputs: int, channels: int) -> Work:
    wide = widen_geometry(problem.geometry, outputs)
    return _work_directly(Problem(wide, problem.batch, channels, outputs * problem.features))


def _work_of_neighbours(problem: Problem) -> Work:
    geometry, _, channels, features = problem
    return _work_widened(problem, neighbours(geometry, features), channels + missing_channels(channels, features))


def _work_of_neighbours_gradient(problem: Problem) -> Work:
    return _work_widened(problem, neighbours_of_gradient(problem.geometry, problem.features), problem.channels)


def _work_by_fft(problem: Problem) -> Work:
    geometry, batch, channels, features = problem
    pixels = math.prod(geometry.padded)
    images = batch * (channels + features) + channels * features // geometry.groups
    return Work(
        products=pixels * batch * channels * features / geometry.groups,
        patches=pixels * images * math.log2(max(2, pixels)),
        partial=0,
        input=pixels * batch * channels,
        output=pixels * batch * features,
        kernel=pixels * channels * features / geometry.groups,
        calls=1,
    )


WORK: dict[str, Callable[[Problem], Work]] = {
    "direct": _work_directly,
    "patches": _work_directly,
    "shifted": _work_shifted,
    "winograd of 2": partial(_work_by_winograd, outputs=2),
    "winograd of 4": partial(_work_by_winograd, outputs=4),
    **{way: partial(_work_by_tiles, tile=tile) for way, tile in tiles.TILES.items()},
    "widened": _work_of_neighbours,
    "widened gradient": _work_of_neighbours_gradient,
    "fft": _work_by_fft,
}
"""The work of each way. A kernel's gradient does the same work as the convolution, but for the widened way."""


def allowed(way: str, problem: Problem, itemsize: int, exact: bool) -> bool:
    """Whether a way computes this problem, exactly enough, in little enough memory."""
    geometry = problem.geometry
    if exact and way.startswith("winograd of 4"):
        return False
    if "winograd" in way and problem.channels == 1:  # no product of matrices: never the fastest
        return False
    if way in tiles.TILES:
        kernels = tiles.points(tiles.TILES[way]) * problem.channels * problem.features * itemsize
        return tiles.allows(geometry) and kernels < _KERNELS
    if "winograd" in way:
        return winograd.axis_of(geometry) is not None and geometry.groups == 1
    if way == "fft":
        work = _work_by_fft(problem)
        spectra = 2 * itemsize * (work.input + work.output + work.kernel)
        return FFT_IS_SAFE and spectra < 32 << 20 and math.prod(geometry.window) > _VECTOR
    if "widened" in way:
        if geometry.groups > 1 or geometry.dilation[-1] > 1:
            return False
        if way == "widened":
            return problem.features < ENOUGH_FEATURES or missing_channels(problem.channels, problem.features) > 0
        return problem.features < ENOUGH_FEATURES and neighbours_of_gradient(geometry, problem.features) > 1
    if way == "shifted":
        # Of one channel it is a sum of scaled images, which XLA fuses into each of its readers and computes anew there.
        if math.prod(geometry.window) > 2 * _VECTOR or problem.channels == 1:
            return False
        return geometry.groups in (1, problem.channels)
    return True


def sort(problem: Problem) -> str:
    """Returns the sort of problem, for each of which there is a set of prices.

    `"grouped"`; `"single"`, of one channel and few features, where a product is no matrix product; `"outer"`, of one
    channel and more features; `"narrow"`, of few channels and few features, for which XLA takes another convolution
    kernel; or `"wide"`.
    """
    if problem.geometry.groups > 1:
        return "grouped"
    if problem.channels == 1:
        return "single" if problem.features < ENOUGH_FEATURES else "outer"
    return "narrow" if max(problem.channels, problem.features) < ENOUGH_FEATURES else "wide"


def seconds(kind: str, way: str, problem: Problem) -> float:
    """Estimates the time of a `"convolution"` or a `"kernel gradient"`."""
    prices = PRICES[kind, way, sort(problem)]
    spent = sum(price * amount for price, amount in zip(prices, WORK[way](problem), strict=True))
    return spent + COMPILE[kind, way] / _STEPS


def fastest(kind: str, problem: Problem, itemsize: int, exact: bool) -> str:
    """Returns the way that is estimated to take the least time, of those that are allowed."""
    ways = [way for known, way, of in PRICES if known == kind and of == sort(problem)]
    ways = [way for way in ways if allowed(way, problem, itemsize, exact)]
    return min(ways, key=lambda way: seconds(kind, way, problem))
