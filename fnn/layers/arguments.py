"""Checks of what layers are built with, so that a wrong argument fails in the line that wrote it."""

from typing import Any

import numpy as np


def positive(value: Any, layer: str, argument: str) -> int:
    """Returns `value` if it is an integer of at least 1."""
    if not _is_integer(value) or value < 1:
        raise ValueError(f"{layer} expects {argument} as an integer of at least 1, got {value!r}.")
    return int(value)


def per_axis(value: Any, layer: str, argument: str) -> int | tuple[int, ...]:
    """Returns `value` if it is a positive integer, or one to three of them, one for each spatial axis."""
    if not isinstance(value, tuple | list):
        return positive(value, layer, argument)
    if not 1 <= len(value) <= 3:
        raise ValueError(f"{layer} expects {argument} as an int or one int for each spatial axis, got {value!r}.")
    return tuple(positive(number, layer, argument) for number in value)


def padding(value: Any, layer: str, *, lowest: float = 0) -> str | int | tuple[tuple[int, int], ...]:
    """Returns `value` if it is `"SAME"`, `"VALID"`, an int or (low, high) pairs of at least `lowest`."""

    def fits(number: Any) -> bool:
        return _is_integer(number) and number >= lowest

    def is_pair(value: Any) -> bool:
        return isinstance(value, tuple | list) and len(value) == 2 and all(map(fits, value))

    if isinstance(value, str) and value in ("SAME", "VALID"):
        return value
    if fits(value):
        return int(value)
    if isinstance(value, tuple | list) and 1 <= len(value) <= 3 and all(map(is_pair, value)):
        return tuple((int(low), int(high)) for low, high in value)
    least = "" if lowest == -np.inf else f" of at least {lowest}"
    raise ValueError(
        f"{layer} expects padding as 'SAME', 'VALID', an int{least}, or a (low, high) pair for each spatial axis "
        f"such as ((1, 1), (2, 2)), got {value!r}."
    )


def fraction(value: Any, layer: str, argument: str) -> float:
    """Returns `value` if it is a number in [0, 1)."""
    if not isinstance(value, float | int | np.number) or not 0 <= value < 1:
        raise ValueError(f"{layer} expects {argument} as a number from 0 up to, not including, 1, got {value!r}.")
    return float(value)


def not_negative(value: Any, layer: str, argument: str) -> float:
    """Returns `value` if it is a finite number of at least 0."""
    is_number = isinstance(value, float | int | np.number) and not isinstance(value, bool)
    if not is_number or not 0 <= value < np.inf:
        raise ValueError(f"{layer} expects {argument} as a finite number of at least 0, got {value!r}.")
    return float(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
