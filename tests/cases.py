"""Which cases of many are run by default."""

from collections.abc import Iterable
from typing import Any

import pytest


def thorough(cases: Iterable[Any]) -> list[Any]:
    """Cases for `pytest.mark.parametrize` that only `--thorough` runs, beside those that always run."""
    return [pytest.param(case, marks=pytest.mark.thorough) for case in cases]
