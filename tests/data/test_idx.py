"""IDX files, made by hand."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from data import made

from fnn.data.files import open_folder, read_idx
from fnn.data.source import DataError, InMemory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made.write(tmp_path, made.mnist_files())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", made.IDX_CODES)
def test_every_type_is_read_by_its_header(tmp_path: Path, kind: str, packed: bool) -> None:
    array = np.arange(-12, 12).reshape(2, 3, 4).astype(kind)
    content = made.idx(array)
    path = tmp_path / "anything"
    path.write_bytes(gzip.compress(content) if packed else content)
    read = read_idx(path)
    assert read.dtype.newbyteorder("=") == array.dtype
    np.testing.assert_array_equal(read, array)


def test_header_is_that_of_the_format() -> None:
    # The oracle itself, against bytes written down from the description of the format.
    assert made.idx(np.array([[1, 2]], np.uint8)) == bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2])
    assert made.idx(np.array([258], np.int32)) == bytes([0, 0, 12, 1, 0, 0, 0, 1, 0, 0, 1, 2])


@pytest.mark.parametrize("packed", [False, True])
def test_folder_has_both_splits(tmp_path: Path, packed: bool) -> None:
    files = made.mnist_files()
    made.write(tmp_path, {f"{name}.gz": gzip.compress(content) for name, content in files.items()} if packed else files)
    source = open_folder(tmp_path)
    assert list(source.splits) == ["train", "test"]
    assert source.class_names == ("0", "1", "2")
    assert str(tmp_path) in source.description
    for name, images, labels in (
        ("train", made.TRAIN, made.TRAIN_LABELS),
        ("test", made.TEST, made.TEST_LABELS),
    ):
        split = source.splits[name]
        assert split.image_shape == (4, 5, 1)
        assert split.labels.dtype == np.int32
        np.testing.assert_array_equal(split.labels, labels)
        chosen = np.array([2, 0, 2])
        read = split.read(chosen)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, images[chosen][..., np.newaxis])


def test_plain_files_are_mapped_and_preferred(folder: Path) -> None:
    other = 255 - made.TRAIN
    made.write(folder, {"train-images-idx3-ubyte.gz": gzip.compress(made.idx(other))})
    train = open_folder(folder).splits["train"]
    assert isinstance(train, InMemory)
    np.testing.assert_array_equal(train.images[..., 0], made.TRAIN)
    assert not train.images.flags.owndata
    assert not train.images.flags.writeable  # mapped to read


def test_other_names_and_spellings(tmp_path: Path) -> None:
    images, labels = made.idx(made.TRAIN), made.idx(made.TRAIN_LABELS)
    source = open_folder(
        made.write(
            tmp_path,
            {
                "emnist-digits-train-images-idx3-ubyte": images,
                "emnist-digits-train-labels-idx1-ubyte": labels,
                "emnist-digits-extra-images.idx3-ubyte": images,
                "emnist-digits-extra-labels.idx1-ubyte": labels,
                "readme.txt": b"hello",
            },
        )
    )
    assert list(source.splits) == ["train", "extra"]


def test_emnist_mapping_names_and_numbers_the_classes(tmp_path: Path) -> None:
    prefix = "emnist-letters"
    files = {
        f"{prefix}-train-images-idx3-ubyte": made.idx(made.TRAIN),
        f"{prefix}-train-labels-idx1-ubyte": made.idx(made.TRAIN_LABELS + np.uint8(1)),
    }
    made.write(tmp_path, files)
    with pytest.raises(DataError, match="count from 1"):
        open_folder(tmp_path)
    made.write(tmp_path, {f"{prefix}-mapping.txt": b"1 65 97\n2 66 98\r\n3 67 99\n"})
    source = open_folder(tmp_path)
    assert source.class_names == ("A", "B", "C")
    np.testing.assert_array_equal(source.splits["train"].labels, made.TRAIN_LABELS)


@pytest.mark.parametrize(
    "mapping", [b"", b"1\n", b"1 65\n1 66\n", b"x 65\n", b"1 65\n2 7\n", b"1 65\n2 66\n", b"1 55296"]
)
def test_broken_mapping_is_refused(tmp_path: Path, mapping: bytes) -> None:
    made.write(tmp_path, {
        "emnist-letters-train-images-idx3-ubyte": made.idx(made.TRAIN),
        "emnist-letters-train-labels-idx1-ubyte": made.idx(made.TRAIN_LABELS + np.uint8(1)),
        "emnist-letters-mapping.txt": mapping,
    })  # fmt: skip
    with pytest.raises(DataError, match=r"emnist-letters-(mapping|train-labels)"):
        open_folder(tmp_path)


BAD = {
    "empty": (b"", "got nothing"),
    "not IDX": (b"hello, world", "68 65 6c 6c"),
    "unknown type": (bytes([0, 0, 7, 1, 0, 0, 0, 1, 5]), "00 00 07 01"),
    "no dimensions": (bytes([0, 0, 8, 0]), "00 00 08 00"),
    "within the header": (bytes([0, 0, 8, 3, 0, 0, 0, 1]), "within its header"),
    "a value short": (made.idx(made.TRAIN)[:-1], "promises 136 bytes|promises 120 bytes"),
    "a value more": (made.idx(made.TRAIN) + b"x", "promises 136 bytes|got more"),
    "huge dimensions": (bytes([0, 0, 8, 3]) + b"\xff" * 12, "promises"),
    "dimension of zero": (
        bytes([0, 0, 8, 2, 0, 0, 0, 0, 255, 255, 255, 255]),
        r"shape \(0, 4294967295\), which holds nothing",
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", BAD)
def test_broken_file_is_refused(folder: Path, case: str, packed: bool) -> None:
    content, message = BAD[case]
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match=message) as caught:
        open_folder(folder)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kept", [1, 5, 15, 40, -9, -1])
def test_gz_cut_short_is_refused(folder: Path, kept: int) -> None:
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(made.idx(made.TRAIN))[:kept])
    with pytest.raises(DataError, match="train-images"):
        open_folder(folder)


@pytest.mark.parametrize("tail", [b"garbage", gzip.compress(b"x", mtime=0)], ids=["garbage", "another gz"])
def test_garbage_after_gz_is_refused(folder: Path, tail: bytes) -> None:
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(made.idx(made.TRAIN)) + tail)
    with pytest.raises(DataError, match="train-images"):
        open_folder(folder)


def test_checksum_of_gz_is_compared(folder: Path) -> None:
    content = bytearray(gzip.compress(made.idx(made.TRAIN), compresslevel=0))
    content[60] ^= 1  # stored, not packed: nothing but the checksum tells
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        open_folder(folder)


CHANGES = {
    "too few labels": ({"train-labels-idx1-ubyte": made.idx(made.TRAIN_LABELS[:5])}, "each of the 6 images .* got 5"),
    "labels for images": ({"train-images-idx3-ubyte": made.idx(made.TRAIN_LABELS)}, r"expected images .* got \(6,\)"),
    "images of floats": ({"train-images-idx3-ubyte": made.idx(made.TRAIN / np.float32(255))}, "got >f4; turn values"),
    "labels of floats": ({"train-labels-idx1-ubyte": made.idx(made.TRAIN_LABELS.astype("f4"))}, "labels as integers"),
    "negative labels": ({"train-labels-idx1-ubyte": made.idx(-made.TRAIN_LABELS.astype("i1"))}, "got -2 for example 0"),
    "huge labels": ({"train-labels-idx1-ubyte": made.idx(made.TRAIN_LABELS.astype("i4") * 10**9)}, "got 2000000000"),
    "class left out": ({"train-labels-idx1-ubyte": made.idx(made.TRAIN_LABELS * np.uint8(2))}, r"none of class 1 and"),
    "class only in test": ({"t10k-labels-idx1-ubyte": made.idx(np.array([0, 1, 3], np.uint8))}, "none of class 3;"),
    "two shapes": (
        {"t10k-images-idx3-ubyte": made.idx(made.TEST[:, :3])},
        r"\(4, 5, 1\) in 'train', \(3, 5, 1\) in 'test'",
    ),
    "two tests": (
        {"test-images-idx3-ubyte": made.idx(made.TEST), "test-labels-idx1-ubyte": made.idx(made.TEST_LABELS)},
        "'test', got two",
    ),
    "two sets": ({"emnist-mnist-train-images-idx3-ubyte": made.idx(made.TEST)}, r"got 2 \(.*emnist-mnist"),
    "no labels": ({"extra-images-idx3-ubyte": made.idx(made.TEST)}, "no file of labels beside extra-images"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_does_not_fit_together_is_refused(folder: Path, case: str) -> None:
    changes, message = CHANGES[case]
    made.write(folder, changes)
    with pytest.raises(DataError, match=message) as caught:
        open_folder(folder)
    assert str(folder) in str(caught.value)


def test_test_split_may_lack_classes_and_stand_alone(folder: Path) -> None:
    assert 2 not in made.TEST_LABELS
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (folder / name).unlink()
    source = open_folder(folder)
    assert list(source.splits) == ["test"]
    assert source.class_names == ("0", "1")


def test_pipe_is_not_waited_for(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="neither"):
        open_folder(folder)
    with pytest.raises(DataError, match="pipe"):
        read_idx(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing-here: there is no such file"):
        read_idx(tmp_path / "nothing-here")
