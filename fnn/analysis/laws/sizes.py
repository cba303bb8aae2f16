"""The law of every shape, and the search for the smallest one that breaks it."""

import importlib.util
import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import jax

from fnn import expect
from fnn.analysis.laws import application, batch, modes, oracle
from fnn.analysis.laws.initialization import USABLE
from fnn.analysis.laws.law import BrokenError, Law, NotApplicableError
from fnn.analysis.laws.raised import describe_error, refuses
from fnn.analysis.laws.subject import Subject

EXAMPLES = 30
"""How many shapes are tried before the search for the smallest begins."""

_LAWS = (USABLE, *application.SHAPE_LAWS, *modes.SHAPE_LAWS, *batch.LAWS, *oracle.LAWS)

Sizes = tuple[int, ...]


def _holds_at_every_shape(subject: Subject) -> None:
    if subject.options.shapes is None:
        raise NotApplicableError("no shapes were given")
    leaves, structure = jax.tree.flatten(subject.shapes)
    ranges = [_ranges(axes) for axes in structure.flatten_up_to(subject.options.shapes)]
    seen: dict[Sizes, str] = {}

    def complaint(sizes: Sizes) -> str:
        if sizes not in seen:
            rest, shapes = iter(sizes), []
            for leaf, axes in zip(leaves, ranges, strict=True):
                shapes.append(jax.ShapeDtypeStruct(tuple(itertools.islice(rest, len(axes))), leaf.dtype))
            seen[sizes] = _complaint(Subject(subject.layer, structure.unflatten(shapes), subject.options))
        return seen[sizes]

    every = list(itertools.chain.from_iterable(ranges))
    search = _by_hypothesis if importlib.util.find_spec("hypothesis") else _by_size
    found = search(every, lambda sizes: bool(complaint(sizes)), subject.options.seed)
    if found is not None:
        raise BrokenError(f"{complaint(found)} This is the smallest of {len(seen)} shapes tried that fails.")


def _ranges(axes: Sequence[Any]) -> list[tuple[int, int]]:
    """The sizes of each axis as (lowest, highest)."""
    ranges = [(axis, axis) if isinstance(axis, int) else tuple(axis) for axis in axes]
    if any(len(pair) != 2 or not 0 <= pair[0] <= pair[1] for pair in ranges):
        raise ValueError(f"check expects shapes as one int or (lowest, highest) for each axis, got {axes!r}.")
    return ranges


def _complaint(subject: Subject) -> str:
    """What is wrong at this shape; empty if nothing is, or the layer refuses the shape in words of its own."""
    for law in _LAWS:
        try:
            law.examine(subject)
        except NotApplicableError:
            continue
        except BrokenError as broken:
            return f"for x of shape {expect.describe(subject.shapes)}: {law.name}: {broken}"
        except Exception as error:
            if refuses(error):
                return ""
            return (
                f"for x of shape {expect.describe(subject.shapes)} it fails instead of refusing: "
                f"{describe_error(error)}\nRaise a ValueError in init that says which shape is expected."
            )
    return ""


def _by_hypothesis(ranges: list[tuple[int, int]], fails: Callable[[Sizes], bool], seed: int) -> Sizes | None:
    """The smallest failing sizes that hypothesis finds."""
    from hypothesis import HealthCheck, find, settings, strategies
    from hypothesis.errors import NoSuchExample

    quiet: list[HealthCheck] = [*HealthCheck]  # pyright: ignore[reportAssignmentType]
    search = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=quiet)
    sizes = strategies.tuples(*(strategies.integers(low, high) for low, high in ranges))
    try:
        return find(sizes, fails, settings=search, random=random.Random(seed))
    except NoSuchExample:
        return None


def _by_size(ranges: list[tuple[int, int]], fails: Callable[[Sizes], bool], seed: int) -> Sizes | None:
    """The first failing sizes of some that are drawn and tried from small to large."""
    drawing = random.Random(seed)
    corners = itertools.islice(itertools.product(*(sorted(set(pair)) for pair in ranges)), EXAMPLES // 2)
    drawn = (tuple(drawing.randint(*pair) for pair in ranges) for _ in range(EXAMPLES // 2))
    for sizes in sorted({*corners, *drawn}, key=lambda sizes: (math.prod(sizes), sizes)):
        if fails(sizes):
            return sizes
    return None


LAWS = (
    Law("holds at every shape", "What works on one shape by chance fails on the next data set.", _holds_at_every_shape),
)
