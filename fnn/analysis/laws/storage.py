"""The law of checkpoints: what init made can be written down and read again."""

import io

import jax
import numpy as np

from fnn.analysis.laws.law import BrokenError, Law, NotApplicableError, require_same
from fnn.analysis.laws.subject import Subject


def _survives_saving(subject: Subject) -> None:
    trees = (subject.params, subject.state)
    if not jax.tree.leaves(trees):
        raise NotApplicableError("it has neither parameters nor state")
    leaves, structure = jax.tree.flatten(trees)
    names = [
        "/".join(str(getattr(entry, "key", entry)) for entry in path) for path, _ in jax.tree.leaves_with_path(trees)
    ]
    if len(set(names)) < len(names):
        raise BrokenError(f"two arrays have one name: {sorted({name for name in names if names.count(name) > 1})}.")
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **dict(zip(names, map(np.asarray, leaves), strict=True)))
    file.seek(0)
    with np.load(file, allow_pickle=False) as read:
        again = structure.unflatten([read[name] for name in names])
    require_same(again, trees, 0, "parameters and state read from an .npz file must be those that were saved")
    outcome = subject.run(*again, subject.x, subject.key)
    require_same(outcome, subject.outcome, 0, "apply given what was saved and read must give the same")


LAWS = (Law("parameters survive saving", "A network that cannot be saved as plain arrays is lost.", _survives_saving),)
