"""Cutting a split by its labels: a holdout, folds, a few of each class, wrong labels on purpose.

Everything is a pure function of its arguments, each class has the same share in every part, and no sample is in two.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fnn.data.split import Split
from fnn.keys import number_of


class Fold(NamedTuple):
    """One of the folds of a cross-validation."""

    train: Split
    """The samples of all other folds."""
    validation: Split
    """This fold's."""


def holdout(split: Split, share: float, *, seed: int = 0) -> tuple[Split, Split]:
    """Sets a share of a split aside.

    Args:
      split: what is cut.
      share: of the samples, above 0 and below 1.
      seed: of the choice.

    Returns:
      What is left, and what was set aside, each in the split's order.

    Raises:
      ValueError: if `share` is out of range, or a class has too few samples to be in both.
    """
    from sklearn.model_selection import train_test_split  # takes seconds, so late

    if not 0 < share < 1:
        raise ValueError(f"holdout expects a share above 0 and below 1, got {share}.")
    _check_classes(split, 2, "to be in both parts of a holdout")
    try:
        kept, aside = train_test_split(
            np.arange(len(split)), test_size=share, stratify=split.labels, random_state=seed % 2**32
        )
    except ValueError as error:
        raise ValueError(f"a holdout of {share} of {len(split)} samples cannot hold every class: {error}") from error
    return split.take(np.sort(kept)), split.take(np.sort(aside))


def folds(split: Split, count: int, *, seed: int = 0) -> list[Fold]:
    """Cuts a split into folds for cross-validation: every sample is in the validation part of exactly one.

    Args:
      split: what is cut; set the test samples aside before, see `holdout`.
      count: how many folds, at least 2.
      seed: of the cut.

    Raises:
      ValueError: if `count` is below 2, or a class has fewer samples than there are folds.
    """
    numbers = fold_numbers(split, count, seed=seed)
    return [
        Fold(split.take(np.flatnonzero(numbers != number)), split.take(np.flatnonzero(numbers == number)))
        for number in range(count)
    ]


def fold_numbers(split: Split, count: int, *, seed: int = 0) -> np.ndarray:
    """Says in which of `folds(split, count)` each sample is validated: `(samples,)`, counted from 0.

    Raises:
      ValueError: as `folds`.
    """
    from sklearn.model_selection import StratifiedKFold

    if count < 2:
        raise ValueError(f"folds expects a count of at least 2, got {count}.")
    _check_classes(split, count, f"for {count} folds")
    cutter = StratifiedKFold(count, shuffle=True, random_state=seed % 2**32)
    numbers = np.empty(len(split), np.int64)
    for number, (_, validation) in enumerate(cutter.split(np.zeros(len(split)), split.labels)):
        numbers[validation] = number
    return numbers


def fold(split: Split, number: int, count: int, *, seed: int = 0) -> Fold:
    """Returns one of `folds(split, count)`, counted from 0.

    Raises:
      ValueError: as `folds`, or if there is no fold of that number.
    """
    if not 0 <= number < count:
        raise ValueError(f"there is no fold {number} of {count}: they are counted from 0 to {count - 1}.")
    return folds(split, count, seed=seed)[number]


def few_of_each(split: Split, count: int, *, seed: int = 0) -> Split:
    """Takes `count` samples of each class, in the split's order.

    The samples for a smaller count are among those for a larger one.

    Raises:
      ValueError: if `count` is below 1, or a class has fewer.
    """
    return split.take(choose_few(split, count, seed=seed))


def choose_few(split: Split, count: int, *, seed: int = 0) -> np.ndarray:
    """Says which samples `few_of_each(split, count)` takes: `(count · classes,)`, ascending.

    Raises:
      ValueError: as `few_of_each`.
    """
    if count < 1:
        raise ValueError(f"few_of_each expects at least 1 sample of each class, got {count}.")
    _check_classes(split, count, f"to take {count}")
    shuffled = _generator(seed, "few_of_each").permutation(len(split))
    labels = split.labels[shuffled]
    chosen = [shuffled[labels == label][:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen))


def with_wrong_labels(split: Split, share: float, *, seed: int = 0) -> tuple[Split, np.ndarray]:
    """Gives a share of the samples the label of another class, each other class being as likely.

    Args:
      split: the samples, which are not changed.
      share: of the samples, from 0 to 1.
      seed: of the choice.

    Returns:
      The split with wrong labels, and `(samples,)`, bool: which are wrong.

    Raises:
      ValueError: if `share` is out of range, or there is no other class.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"with_wrong_labels expects a share from 0 to 1, got {share}.")
    classes = len(split.class_names)
    if classes < 2:
        raise ValueError("with_wrong_labels expects at least 2 classes: a wrong label is that of another class.")
    generator = _generator(seed, "with_wrong_labels")
    wrong = np.zeros(len(split), bool)
    wrong[generator.permutation(len(split))[: round(share * len(split))]] = True
    steps = generator.integers(1, classes, len(split))  # round the ring of classes, never back to the own
    labels = np.where(wrong, (split.labels + steps) % classes, split.labels).astype(split.labels.dtype)
    return replace(split, labels=labels), wrong


def _check_classes(split: Split, least: int, purpose: str) -> None:
    """Checks that every class has at least `least` samples."""
    counts = np.bincount(split.labels, minlength=len(split.class_names))
    few = [f"{split.class_names[label]} has {counts[label]}" for label in np.flatnonzero(counts < least)]
    if few:
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        raise ValueError(f"every class needs at least {least} samples {purpose}, but {', '.join(few[:5])}{more}.")


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, number_of(name)])
