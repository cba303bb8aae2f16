"""Parts of a split: disjoint, complete, in proportion, repeatable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnn import data


def split_of(labels: np.ndarray) -> data.Split:
    """Samples that carry their number in two pixels."""
    images = np.zeros((len(labels), 1, 2, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(len(labels)), 256)
    classes = int(labels.max()) + 1
    return data.Split(images, labels.astype(np.int32), tuple(map(str, range(classes))), "made by hand")


def numbers(split: data.Split) -> np.ndarray:
    return split.images[:, 0, 0, 0].astype(int) * 256 + split.images[:, 0, 1, 0]


@st.composite
def splits(draw: st.DrawFn, least: int = 2) -> data.Split:
    counts = draw(st.lists(st.integers(least, 40), min_size=2, max_size=5))
    labels = np.repeat(np.arange(len(counts)), counts)
    return split_of(np.random.default_rng(draw(st.integers(0, 99))).permutation(labels))


@given(st.data(), st.integers(2, 7), st.integers(0, 2**40))
@settings(deadline=None, max_examples=40)
def test_each_sample_is_validated_in_exactly_one_fold(draw: st.DataObject, count: int, seed: int) -> None:
    split = draw.draw(splits(least=count))
    made = data.folds(split, count, seed=seed)
    assert len(made) == count
    np.testing.assert_array_equal(np.sort(np.concatenate([numbers(f.validation) for f in made])), np.arange(len(split)))
    of_class = np.bincount(split.labels)
    for number, part in enumerate(made):
        together = np.concatenate([numbers(part.train), numbers(part.validation)])
        np.testing.assert_array_equal(np.sort(together), np.arange(len(split)))
        counts = np.bincount(part.validation.labels, minlength=len(of_class))
        assert np.all(np.abs(counts - of_class / count) < 1), "each class has its share, to a whole sample"
        np.testing.assert_array_equal(part.validation.labels, split.labels[numbers(part.validation)])
        again = data.fold(split, number, count, seed=seed)
        np.testing.assert_array_equal(numbers(again.validation), numbers(part.validation))


@given(splits(least=4), st.sampled_from([0.25, 0.5, 0.7]), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_a_holdout_is_disjoint_complete_and_in_proportion(split: data.Split, share: float, seed: int) -> None:
    kept, aside = data.holdout(split, share, seed=seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([numbers(kept), numbers(aside)])), np.arange(len(split)))
    counts = np.bincount(aside.labels, minlength=len(split.class_names))
    assert np.abs(counts - share * np.bincount(split.labels)).max() <= 1.5
    assert np.all(np.diff(numbers(kept)) > 0)


@given(splits(least=9), st.integers(1, 8), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_a_few_of_each_class_are_among_a_few_more(split: data.Split, count: int, seed: int) -> None:
    few, more = data.few_of_each(split, count, seed=seed), data.few_of_each(split, count + 1, seed=seed)
    assert set(np.bincount(few.labels, minlength=len(split.class_names))) == {count}
    assert set(numbers(few)) < set(numbers(more))
    np.testing.assert_array_equal(few.labels, split.labels[numbers(few)])


@given(splits(), st.floats(0, 1), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_wrong_labels_are_wrong_and_marked(split: data.Split, share: float, seed: int) -> None:
    noisy, wrong = data.with_wrong_labels(split, share, seed=seed)
    np.testing.assert_array_equal(wrong, noisy.labels != split.labels)
    assert wrong.sum() == round(share * len(split))
    np.testing.assert_array_equal(noisy.images, split.images)


def test_every_other_class_is_as_likely_for_a_wrong_label() -> None:
    split = split_of(np.repeat(np.arange(5), 800))
    noisy, _ = data.with_wrong_labels(split, 1.0, seed=3)
    counts = np.zeros((5, 5))
    np.add.at(counts, (split.labels, noisy.labels), 1)
    assert counts.diagonal().max() == 0
    # 200 expected, with a standard deviation of 12
    assert np.abs(counts[~np.eye(5, dtype=bool)] - 200).max() < 60


def test_the_seed_decides() -> None:
    split = split_of(np.arange(200) % 4)
    for cut in (
        lambda seed: numbers(data.holdout(split, 0.3, seed=seed)[1]),
        lambda seed: numbers(data.fold(split, 1, 4, seed=seed).validation),
        lambda seed: numbers(data.few_of_each(split, 5, seed=seed)),
        lambda seed: data.with_wrong_labels(split, 0.3, seed=seed)[0].labels,
    ):
        np.testing.assert_array_equal(cut(1), cut(1))
        assert not np.array_equal(cut(1), cut(2))


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda s: data.folds(s, 1), "at least 2, got 1"),
        (lambda s: data.folds(s, 4), "at least 4 samples for 4 folds, but 1 has 3"),
        (lambda s: data.fold(s, 3, 3), "no fold 3 of 3"),
        (lambda s: data.fold(s, -1, 3), "no fold -1 of 3"),
        (lambda s: data.holdout(s, 0.0), "above 0 and below 1, got 0.0"),
        (lambda s: data.holdout(s, 0.01), "cannot hold every class"),
        (lambda s: data.few_of_each(s, 0), "at least 1"),
        (lambda s: data.few_of_each(s, 4), "at least 4 samples to take 4, but 1 has 3"),
        (lambda s: data.with_wrong_labels(s, 1.1), "from 0 to 1, got 1.1"),
    ],
)
def test_what_cannot_be_cut_is_refused(cut, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cut(split_of(np.array([0, 0, 0, 0, 0, 1, 1, 1])))


def test_a_class_without_a_sample_is_named() -> None:
    split = data.Split(np.zeros((4, 1, 1, 1), np.uint8), np.array([0, 0, 2, 2]), ("cat", "dog", "owl"), "made by hand")
    with pytest.raises(ValueError, match="but dog has 0"):
        data.folds(split, 2)
