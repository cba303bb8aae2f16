"""Which examples a selection chooses: TensorFlow Datasets' syntax, compared with its own reading of it."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fnn import data
from fnn.data.selection import Slice, parse, select

SIZES = {"train": 60, "test": 33}


def examples(size: int, start: int = 0) -> data.InMemory:
    images = np.zeros((size, 2, 2, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(start, start + size)
    return data.InMemory(images, np.arange(size, dtype=np.int32) % 3)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("train", [("train", 0, 60)]),
        ("train[:50%]", [("train", 0, 30)]),
        ("test[:50%]", [("test", 0, 16)]),  # 16.5 to even, as round() does
        ("train[10:20]", [("train", 10, 20)]),
        ("train[-10:]", [("train", 50, 60)]),
        ("train[-20%:]", [("train", 48, 60)]),
        ("train[:-20%]", [("train", 0, 48)]),
        ("train[:]", [("train", 0, 60)]),
        ("train[:1_0]", [("train", 0, 10)]),
        ("test+train[5:7] + train[:5]", [("test", 0, 33), ("train", 5, 7), ("train", 0, 5)]),
    ],
)
def test_slices_by_hand(selection: str, expected: list[tuple[str, int, int]]) -> None:
    assert parse(selection, SIZES) == [Slice(*part) for part in expected]


boundary = st.one_of(
    st.none(), st.integers(-60, 60).map(str), st.integers(-100, 100).map(lambda percent: f"{percent}%")
)


@given(boundary, boundary, st.integers(1, 500))
@settings(deadline=None)
def test_slices_are_those_of_tensorflow_datasets(start: str | None, stop: str | None, size: int) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    assume(start or stop)  # they do not read [:]
    for bound in (start, stop):  # they take -1% of few examples, none, for the first example
        assume(not (bound and bound.endswith("%") and int(bound[:-1]) < 0 and round(int(bound[:-1]) * size / 100) == 0))
    selection = f"train[{start or ''}:{stop or ''}]"
    infos = {"train": tfds.core.SplitInfo(name="train", shard_lengths=[size], num_bytes=0)}
    try:
        (part,) = parse(selection, {"train": size})
    except ValueError:
        return  # what is refused has tests of its own
    (theirs,) = tfds.core.ReadInstruction.from_spec(selection).to_absolute(infos)
    # TensorFlow Datasets writes the beginning and the end of a split as None.
    assert (theirs.from_ or 0, size if theirs.to is None else theirs.to) == (part.start, part.stop)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("dev", "no split 'dev'; choose one of train, test"),
        ("train[5]", "no selection"),
        ("train[:5", "no selection"),
        ("", "no selection"),
        ("train+", "no selection"),
        ("train[:61]", "beyond the 60 examples"),
        ("train[-61:]", "beyond the 60 examples"),
        ("train[:101%]", "beyond 100 %"),
        ("train[10%:20]", "mixes percentages"),
        ("train[20:20]", "chooses nothing: it goes from 20 to 20"),
        ("train[20:10]", "chooses nothing"),
        ("train+train", "of train twice"),
        ("train[:60%]+test+train[50%:]", "of train twice"),
    ],
)
def test_what_makes_no_sense_is_refused(selection: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(selection, SIZES)


@given(st.data(), st.integers(2, 6))
@settings(deadline=None)
def test_slices_that_meet_share_nothing_and_leave_nothing(draw: st.DataObject, pieces: int) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(1, 59), min_size=pieces, max_size=pieces, unique=True)))
    bounds = ["", *map(str, cuts), ""]
    source = {"train": examples(60)}
    parts = [select(source, f"train[{a}:{b}]") for a, b in itertools.pairwise(bounds)]
    pixels = np.concatenate([part.read(np.arange(len(part.labels)))[:, 0, 0, 0] for part in parts])
    np.testing.assert_array_equal(pixels, np.arange(60))


@given(st.lists(st.integers(0, 52), max_size=40))
@settings(deadline=None)
def test_a_selection_reads_what_is_chosen_in_its_order(chosen: list[int]) -> None:
    selection = select({"train": examples(60), "test": examples(33, 100)}, "test[13:]+train[:33]")
    numbers = np.concatenate([np.arange(113, 133), np.arange(33)])
    got = selection.read(np.array(chosen, int))
    assert got.shape == (len(chosen), 2, 2, 1)
    np.testing.assert_array_equal(got[:, 0, 0, 0], numbers[chosen])
    np.testing.assert_array_equal(selection.labels, np.concatenate([np.arange(13, 33), np.arange(33)]) % 3)


def test_images_of_different_shapes_are_not_joined() -> None:
    other = data.InMemory(np.zeros((4, 3, 3, 1), np.uint8), np.zeros(4, np.int32))
    with pytest.raises(ValueError, match=r"different shapes: \(2, 2, 1\), \(3, 3, 1\)"):
        select({"train": examples(5), "test": other}, "train+test")
