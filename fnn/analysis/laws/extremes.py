"""The law of numbers at the ends of their range."""

from typing import Any

import jax
import numpy as np

from fnn.analysis.laws.law import BrokenError, Law, NotApplicableError, is_floating, name_of
from fnn.analysis.laws.subject import Subject
from fnn.intermediates import Passage

SCALES = {"large": 1e4, "tiny": 1e-30, "denormal": 1e-40, "zero": 0.0}
"""By what the input's floats are multiplied. All fit into bfloat16; float16, which ends at 65504, has no tiny ones."""


def _no_nan(subject: Subject) -> None:
    if not any(map(is_floating, jax.tree.leaves(subject.shapes))):
        raise NotApplicableError("the input holds no floating-point numbers")
    for what, scale in SCALES.items():
        x = jax.tree.map(lambda leaf, scale=scale: _scaled(leaf, scale), subject.x)
        outcome, by_params, by_x = subject.pulled(subject.params, x)
        for mode, (y, state) in outcome.items():
            for name, tree in (("output", y), ("state", state)):
                for path, leaf in jax.tree.leaves_with_path(tree):
                    if _has_nan(leaf):
                        raise BrokenError(
                            f"{what} input ({scale:g} · normal) gave NaN in {name_of(path, name)} "
                            f"{subject.in_words(mode)}." + subject.culprit(_makes_nan, x, train=mode == "train")
                        )
        for name, tree in (("params", by_params), ("x", by_x)):
            for path, leaf in jax.tree.leaves_with_path(tree):
                if _has_nan(leaf):
                    raise BrokenError(
                        f"{what} input ({scale:g} · normal) gave NaN in the gradient by {name_of(path, name)}, though "
                        "not in the output: a branch that is not taken has a derivative too; guard its input."
                    )


def _scaled(leaf: jax.Array, scale: float) -> Any:
    return np.asarray(np.asarray(leaf, np.float64) * scale, leaf.dtype) if is_floating(leaf) else leaf


def _has_nan(tree: Any) -> bool:
    return any(np.isnan(np.asarray(leaf, np.float64)).any() for leaf in jax.tree.leaves(tree) if is_floating(leaf))


def _makes_nan(passage: Passage) -> bool:
    return _has_nan(passage.y) and not _has_nan(passage.x)


LAWS = (Law("no NaN at extreme inputs", "One NaN in one batch ends a run of a week.", _no_nan),)
