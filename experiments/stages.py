"""Which layers of a network to look into."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import fnn


class Stage(NamedTuple):
    """A run of layers that make maps of one size, at least one of which learns something."""

    detector: str
    """The last of them with parameters: its numbers are not cut off by a rectifier yet, so that each has a gradient."""
    maps: str
    """The last of them, usually after an activation."""


def find_stages(passages: Sequence[fnn.Passage]) -> list[Stage]:
    """Finds the stages of a network for images.

    Args:
      passages: of the network, from `fnn.intermediates`; shapes are enough.
    """
    spatial = [passage for passage in innermost(passages) if getattr(passage.y, "ndim", 0) == 4]
    runs = [list(run) for _, run in groupby(spatial, key=lambda passage: passage.y.shape[1:3])]
    learning = [[passage for passage in run if passage.parameters] for run in runs]
    return [Stage(some[-1].path, run[-1].path) for run, some in zip(runs, learning, strict=True) if some]


def innermost(passages: Sequence[fnn.Passage]) -> list[fnn.Passage]:
    """Returns the passages of layers that hold no other, in their order."""
    return [one for one in passages if not any(other.path.startswith(f"{one.path}/") for other in passages)]
