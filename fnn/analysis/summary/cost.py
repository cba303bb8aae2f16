"""What a program's steps cost, by definition of the operation: not what a compiler makes of them.

Multiply-adds are those of convolutions and matrix products alone, the field's convention. A floating-point operation is
two for each multiply-add, and one for each number that any other arithmetic makes: sums, products, maxima, functions
such as `exp`, each pair that a reduction or a pool combines. Comparisons, selections, conversions, integers, random
numbers and everything that only moves numbers are not counted.

Taps of a kernel on the padding around an image count, as in the published figures; taps on the zeros that a transposed
convolution puts between pixels do not.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from fnn.analysis.summary.primitives import ARITHMETIC, CUMULATIVE, MOVES, REDUCTIONS, SCATTERS, WINDOWS
from fnn.analysis.summary.program import Scope, Step, Value


class Cost(NamedTuple):
    """What some steps cost."""

    multiply_adds: int = 0
    flops: int = 0


class Charge(NamedTuple):
    """One entry of the bill."""

    scope: Scope
    cost: Cost
    unknown: str = ""
    """The primitive whose cost has no rule, or whose repetitions are unknown."""


def charges(steps: Sequence[Step]) -> Iterator[Charge]:
    """Goes through the steps, and what loops repeat, and says what each costs.

    The body of a `while` loop counts once and is told as unknown; of a `cond`, the branch that costs most counts.
    """
    for step in steps:
        if step.name == "scan":
            times = step.params["length"]
            for charge in charges(step.bodies[0].steps):
                yield charge._replace(cost=Cost(*(times * n for n in charge.cost)))
        elif step.name == "while":
            yield Charge(step.scope, Cost(), "while")
            for body in step.bodies:
                yield from charges(body.steps)
        elif step.name == "cond":
            yield from max((list(charges(body.steps)) for body in step.bodies), key=_total)
        else:
            yield _charge(step)


def _total(bill: list[Charge]) -> int:
    return sum(charge.cost.flops for charge in bill)


def _charge(step: Step) -> Charge:
    inexact = [_is_inexact(value) for value in (*step.inputs, *step.outputs)]
    if step.name in _PRODUCTS:
        multiply_adds = _PRODUCTS[step.name](step)
        return Charge(step.scope, Cost(multiply_adds, 2 * multiply_adds))
    if step.name in MOVES or not any(inexact):
        return Charge(step.scope, Cost())
    rule = _OTHERS.get(step.name)
    if rule is None:
        return Charge(step.scope, Cost(), step.name)
    return Charge(step.scope, Cost(0, rule(step)))


def _is_inexact(value: Value) -> bool:
    return bool(jnp.issubdtype(value.dtype, jnp.inexact))


def _matrix_product(step: Step) -> int:
    (contracted, _), _ = step.params["dimension_numbers"]
    return step.outputs[0].size * prod(step.inputs[0].shape[axis] for axis in contracted)


def _convolution(step: Step) -> int:
    image, kernel = step.inputs
    numbers = step.params["dimension_numbers"]
    taps = prod(map(_taps, *_axes_of_convolution(step, image, kernel)))
    places = [step.outputs[0].shape[axis] for axis in numbers.out_spec[2:]]
    rest = step.outputs[0].size // max(prod(places), 1)
    return taps * rest * kernel.shape[numbers.rhs_spec[1]]


def _axes_of_convolution(step: Step, image: Value, kernel: Value) -> tuple[Sequence[int], ...]:
    """For each spatial axis: places, taps, stride, dilation, pixels of padding before, and steps between pixels."""
    numbers, params = step.params["dimension_numbers"], step.params
    axes = numbers.lhs_spec[2:]
    lows = [low for low, _ in params["padding"]]
    between = list(params["lhs_dilation"])
    if image.made_by is not None and image.made_by.name == "pad":  # zeros between the pixels by a step of their own
        for i, axis in enumerate(axes):
            low, _, interior = image.made_by.params["padding_config"][axis]
            if interior and between[i] == 1:
                between[i] = interior + 1
                lows[i] += low
    places = [step.outputs[0].shape[axis] for axis in numbers.out_spec[2:]]
    window = [kernel.shape[axis] for axis in numbers.rhs_spec[2:]]
    return places, window, params["window_strides"], params["rhs_dilation"], lows, between


def _taps(places: int, window: int, stride: int, dilation: int, low: int, between: int) -> int:
    """How often a tap meets no zero that stands between two pixels, along one axis."""
    if between == 1:
        return places * window
    position = np.arange(places)[:, None] * stride + np.arange(window) * dilation - low
    return int(np.count_nonzero(position % between == 0))


_PRODUCTS: dict[str, Callable[[Step], int]] = {
    "dot_general": _matrix_product,
    "conv_general_dilated": _convolution,
}
"""How many multiply-adds."""

_OTHERS: dict[str, Callable[[Step], int]] = {
    **dict.fromkeys(ARITHMETIC, lambda step: step.outputs[0].size),
    **dict.fromkeys(REDUCTIONS, lambda step: max(0, step.inputs[0].size - step.outputs[0].size)),
    **dict.fromkeys(WINDOWS, lambda step: step.outputs[0].size * (prod(step.params["window_dimensions"]) - 1)),
    **dict.fromkeys(CUMULATIVE, lambda step: step.outputs[0].size),
    **dict.fromkeys(SCATTERS, lambda step: step.inputs[-1].size),
    # Gradients of pools: a maximum is looked for under each window again.
    "select_and_scatter_add": lambda step: step.inputs[0].size * prod(step.params["window_dimensions"]),
}
"""How many floating-point operations."""
