"""`fnn.check`: does a layer keep every promise of the library?"""

from collections.abc import Collection
from typing import Any

import numpy as np

from fnn import expect
from fnn.analysis.laws import (
    application,
    batch,
    captured,
    depth,
    derivatives,
    extremes,
    initialization,
    modes,
    oracle,
    sizes,
    storage,
    transformations,
)
from fnn.analysis.laws.law import BrokenError, Law, NotApplicableError
from fnn.analysis.laws.raised import describe_error
from fnn.analysis.laws.report import LawsError, Report, Row
from fnn.analysis.laws.subject import Draw, Options, Oracle, Subject
from fnn.layer import Layer

_THEMES = (
    initialization, application, modes, batch, derivatives, extremes, depth, storage, transformations, oracle, sizes
)  # fmt: skip

LAWS: dict[str, Law] = {
    law.name: law for law in (*captured.LAWS, initialization.USABLE, *(law for theme in _THEMES for law in theme.LAWS))
}
"""Every law by name, in the order in which they are examined."""


def check(
    layer: Layer,
    x: Any,
    *,
    strict: bool = False,
    laws: Collection[str] | None = None,
    skip: Collection[str] = (),
    batch_dependent: bool = False,
    narrow: bool = False,
    without_gradient: bool | Collection[str] = (),
    oracle: Oracle | None = None,
    shapes: Any = None,
    tolerance: float | None = None,
    draw: Draw = np.random.Generator.standard_normal,
    seed: int = 0,
) -> Report:
    """Examines whether a layer keeps every promise that the library builds on, and says what is wrong and where.

    Exceptions that a layer makes on purpose are told by the arguments below. What is random in training, as Dropout,
    is seen from what the layer does, and so is which of its parameters are drawn and which constant.

    Args:
      layer: any layer, or network.
      x: an input that it takes: an array, a `jax.ShapeDtypeStruct`, or a pytree of them, best with a batch of at least
        2. Floats are read for their shape and dtype alone and drawn anew; other numbers, such as the indices of an
        embedding, are used as they are.
      strict: whether to raise if a law is broken.
      laws: the names of those to examine; all of `fnn.analysis.LAWS` by default.
      skip: the names of those to leave out.
      batch_dependent: whether, in training, an example may see its batch, as in BatchNorm.
      narrow: whether the layer computes in fewer digits than its input has, as `mixed_precision`; derivatives are then
        not compared with finite differences, and two ways to one number may lie 2 % apart.
      without_gradient: the paths of parameters that get no gradient, such as `"body/kernel"`; True if none does, as in
        `frozen`.
      oracle: what the layer computes in evaluation as a function `(params, state, x) -> y` of float64 NumPy arrays.
      shapes: ranges of input shapes that are searched for the smallest one at which a law breaks or the layer fails
        without refusing the input in words: for each axis of `x` its size, or its lowest and highest:
        `((1, 4), (1, 9), 3)`; a pytree of these if `x` is one. The search is hypothesis's where that is installed.
      tolerance: how far two ways of one computation may lie apart, relative to the largest number; by default 1e-5, or
        2e-2 where `x` or the layer is narrow.
      draw: how floats are drawn, `(generator, shape) -> array`; standard normal by default.
      seed: of parameters, inputs and directions.

    Returns:
      The report: `str` tells it, `bool` says whether no law is broken, `.rows` holds each law's outcome.

    Raises:
      LawsError: if `strict` and a law is broken.
      TypeError: if `layer` is no layer.
      ValueError: if there is no law of a name.

    Example:
      >>> print(fnn.check(fnn.Dense(3), jax.ShapeDtypeStruct((4, 6), jnp.float32)))
    """
    if not isinstance(layer, Layer):
        raise TypeError(f"check expects a Layer, got {layer!r}.")
    for name in (*(laws or ()), *skip):
        if name not in LAWS:
            raise ValueError(f"check knows no law {name!r}; its laws are {', '.join(LAWS)}.")
    options = Options(batch_dependent, narrow, without_gradient, oracle, shapes, tolerance, draw, seed)
    subject = Subject(layer, x, options)
    rows: list[Row] = []
    for law in LAWS.values():
        if law is not initialization.USABLE and laws is not None and law.name not in laws:
            continue
        rows.append(_examined(law, subject, rows, skip))
    report = Report(f"{layer.name}, given x of shape {expect.describe(subject.shapes)}", tuple(rows))
    if strict and not report:
        raise LawsError(report)
    return report


def _examined(law: Law, subject: Subject, before: list[Row], skip: Collection[str]) -> Row:
    if law.name in skip:
        return Row(law.name, "does not apply", "skipped, as told", law.reason)
    if any(row.law == initialization.USABLE.name and row.outcome == "broken" for row in before):
        return Row(law.name, "does not apply", "init or apply does not run", law.reason)
    try:
        law.examine(subject)
    except NotApplicableError as why:
        return Row(law.name, "does not apply", str(why), law.reason)
    except BrokenError as broken:
        return Row(law.name, "broken", str(broken), law.reason)
    except Exception as error:  # whatever a layer raises where it should not
        return Row(law.name, "broken", describe_error(error), law.reason)
    return Row(law.name, "holds", "", law.reason)
