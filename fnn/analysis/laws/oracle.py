"""The law of right answers: what a layer computes is what a NumPy function of the caller's computes."""

from typing import Any

import jax
import numpy as np

from fnn.analysis.laws.law import BrokenError, Law, NotApplicableError, difference_of, is_floating
from fnn.analysis.laws.subject import Subject


def _agrees(subject: Subject) -> None:
    if subject.options.oracle is None:
        raise NotApplicableError("no oracle was given")

    def wide(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64) if is_floating(leaf) else np.asarray(leaf), tree)

    given = wide((subject.params, subject.state, subject.x))
    with jax.enable_x64(True):
        got, _ = jax.jit(lambda p, s, x: subject.layer.apply(p, s, x, train=False))(*given)
        got = wide(got)
    wanted = wide(subject.options.oracle(*given))
    if difference := difference_of(got, wanted, subject.tolerance if subject.options.narrow else 1e-9):
        raise BrokenError(f"in evaluation and in float64, layer and oracle must agree, but {difference}")


LAWS = (Law("agrees with the oracle", "Right shapes are not yet right numbers.", _agrees),)
