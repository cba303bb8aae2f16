"""What each of many models has of its own, and which of them can be trained in one program."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from fnn.data import Batches, Normalization, Split, make_batches, normalization_of

Way = Literal["together", "in turns", "side by side", "in groups"]
"""All in one program; one after another; on each core of a CPU, in threads, one at a time; or a few in one program."""


class Model(NamedTuple):
    """What one of many models has of its own."""

    name: str
    """Such as `"learning_rate=0.1 seed=3 fold=0"`."""
    seed: int = 0
    """Of its initial parameters, its order of the samples and all randomness of its steps."""
    hyper: Mapping[str, float] = {}
    """Numbers that `optimizer` takes. They are inputs of the compiled program: another value compiles nothing again."""
    samples: np.ndarray | None = None
    """Which samples of the split it learns from; all by default."""
    validation: np.ndarray | None = None
    """By which samples of the split it is judged; none by default."""


class Run(NamedTuple):
    """A model with all that its training reads."""

    model: Model
    samples: np.ndarray
    batches: Batches
    normalization: Normalization

    @property
    def inputs(self) -> tuple[np.uint32, dict[str, np.float32], tuple[np.ndarray, ...]]:
        """Seed, hyperparameters and normalization, as the programs read them."""
        hyper = {name: np.float32(value) for name, value in self.model.hyper.items()}
        return np.uint32(self.model.seed), hyper, tuple(self.normalization)

    def orders(self, epoch: int) -> list[np.ndarray]:
        """Returns the samples of an epoch's steps: of whole batches, `(steps, batch)`, and of a smaller last one."""
        flat = self.samples[self.batches.order(epoch)].astype(np.int32)
        whole = len(flat) // self.batches.size * self.batches.size
        parts = flat[:whole].reshape(-1, self.batches.size), flat[whole:][np.newaxis]
        return [part for part in parts if part.size]


def make_runs(models: Sequence[Model], split: Split, batch_size: int, drop_last: bool) -> list[Run]:
    """Makes the runs of models on their samples of a split; samples in one array are measured once."""
    normalizations: dict[int, Normalization] = {}
    runs = []
    for model in models:
        samples = np.arange(len(split)) if model.samples is None else np.asarray(model.samples)
        batches = make_batches(len(samples), batch_size, model.seed, drop_last=drop_last)
        if id(model.samples) not in normalizations:
            normalizations[id(model.samples)] = normalization_of(split.take(samples))
        runs.append(Run(model, samples, batches, normalizations[id(model.samples)]))
    return runs


def shape_of(group: Sequence[Run]) -> tuple[int, int, int]:
    """Returns how many runs a group has, and by how many samples each learns and at most is judged.

    Groups of one shape share their compiled programs.
    """
    judges = (run.model.validation for run in group)
    return len(group), len(group[0].samples), max(0 if judge is None else len(judge) for judge in judges)


def group_runs(runs: Sequence[Run]) -> list[list[Run]]:
    """Groups runs that one program can take together: equally many samples, and all judged or none."""
    groups: dict[tuple[int, bool], list[Run]] = {}
    for run in runs:
        groups.setdefault((len(run.samples), run.model.validation is None), []).append(run)
    return list(groups.values())
