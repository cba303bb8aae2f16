"""The convolutions that are measured."""

import math
import random
from collections.abc import Collection, Iterator
from typing import Any

from fnn.ops.cpu import costs
from fnn.ops.geometry import Geometry


def random_problems(count: int, seed: int, sorts: Collection[str] = ()) -> Iterator[costs.Problem]:
    """Yields convolutions of images like those of real networks: 10⁶ to 3·10⁹ multiply-adds, below 64 MB of images.

    Of some sorts alone, if any are named, see `fnn.ops.cpu.costs.sort`.
    """
    rng = random.Random(seed)
    while count:
        size, batch = rng.choice([1, 2, 4, 7, 8, 14, 16, 28, 32, 56]), rng.choice([1, 8, 32, 32, 64, 128])
        channels = rng.choice([1, 1, 3, 6, 16, 32, 64, 64, 128, 128, 256, 512])
        features = rng.choice([1, 3, 6, 8, 16, 16, 24, 32, 64, 64, 128, 128, 256, 512])
        kernel, stride = rng.choice([1, 2, 3, 3, 3, 3, 5, 7, 11, 21]), rng.choice([1, 1, 1, 2])
        groups = rng.choice([1] * 5 + [channels, 2, 8])
        if groups == channels > 1:
            features = rng.choice([channels, channels, 2 * channels])
        if channels % groups or features % groups or kernel > 2 * size:
            continue
        low = (kernel - 1) // 2
        padding = ((low, kernel - 1 - low),) * 2
        geometry = Geometry((size, size), (kernel, kernel), (stride, stride), padding, (1, 1), groups)
        problem = costs.Problem(geometry, batch, channels, features)
        products = batch * math.prod(geometry.places) * kernel**2 * channels * features / groups
        wanted = not sorts or costs.sort(problem) in sorts
        if wanted and 1e6 < products < 3e9 and 4 * batch * size**2 * max(channels, features) < 64 << 20:
            count -= 1
            yield problem


def problem_of(entry: dict[str, Any]) -> costs.Problem:
    """Reads a problem back from the measurements."""
    sizes, window, strides, padding, dilation, groups = entry["geometry"]
    pairs = tuple((low, high) for low, high in padding)
    geometry = Geometry(tuple(sizes), tuple(window), tuple(strides), pairs, tuple(dilation), groups)
    return costs.Problem(geometry, entry["batch"], entry["channels"], entry["features"])
