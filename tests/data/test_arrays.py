"""NumPy's files, made by hand."""

import io
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data import made

from fnn.data.files import foreign, open_folder
from fnn.data.source import DataError, Examples, InMemory


def npz(tmp_path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = tmp_path / "set.npz"
    path.write_bytes(made.npz(members, method))
    return path


def npy_folder(tmp_path: Path, members: dict[str, bytes]) -> Path:
    return made.write(tmp_path / "set", {f"{name}.npy": content for name, content in members.items()})


def check(split: Examples, images: np.ndarray, labels: np.ndarray) -> None:
    assert split.labels.dtype == np.int32
    np.testing.assert_array_equal(split.labels, labels)
    chosen = np.array([1, 0, 2, 1])
    read = split.read(chosen)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, images.reshape(*images.shape[:3], -1)[chosen])
    assert split.image_shape == read.shape[1:]


def test_made_by_hand_is_what_numpy_reads() -> None:
    for order in "CF":
        np.testing.assert_array_equal(np.load(io.BytesIO(made.npy(made.TRAIN, order))), made.TRAIN)


@pytest.mark.parametrize("kind", ["stored", "deflated", "npy"])
@pytest.mark.parametrize(
    "names",
    [
        "x_train y_train x_test y_test",
        "train_images train_labels test_images test_labels",
        "X-train Y-train test-X test-Y",
    ],
)
def test_both_splits_by_all_names(tmp_path: Path, kind: str, names: str) -> None:
    members = dict(zip(names.split(), made.keras_arrays().values(), strict=True))
    if kind == "npy":
        path = npy_folder(tmp_path, members)
    else:
        path = npz(tmp_path, members, zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED)
    source = open_folder(path)
    assert list(source.splits) == ["train", "test"]
    assert source.class_names == ("0", "1", "2")
    check(source.splits["train"], made.TRAIN, made.TRAIN_LABELS)
    check(source.splits["test"], made.TEST, made.TEST_LABELS)


def test_files_that_numpy_itself_writes(tmp_path: Path) -> None:
    images = made.pixels(6, 4, 5, 3)
    np.savez_compressed(tmp_path / "set.npz", images=np.asfortranarray(images), labels=made.TRAIN_LABELS.astype(">i2"))
    check(open_folder(tmp_path).splits["train"], images, made.TRAIN_LABELS)  # the folder that holds the one file
    for version in [(1, 0), (2, 0), (3, 0)]:
        with (tmp_path / "set.npz").open("wb") as file, zipfile.ZipFile(file, "w") as archive:
            for name, array in (("val_images", images), ("val_labels", made.TRAIN_LABELS[:, np.newaxis])):
                content = io.BytesIO()
                np.lib.format.write_array(content, array, version)
                archive.writestr(f"{name}.npy", content.getvalue())
        check(open_folder(tmp_path).splits["validation"], images, made.TRAIN_LABELS)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_is_mapped_with_channels_and_in_either_order(tmp_path: Path, channels: int, order: str) -> None:
    images = made.pixels(6, 4, 5, channels)
    path = npy_folder(
        tmp_path, {"images": made.npy(images, order), "labels": made.npy(made.TRAIN_LABELS.astype("<i8"))}
    )
    train = open_folder(path).splits["train"]
    check(train, images, made.TRAIN_LABELS)
    assert isinstance(train, InMemory)
    assert not train.images.flags.owndata
    assert not train.images.flags.writeable


class Exploit:
    """Unpickling it makes the file that it names."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("packed", [False, True])
def test_nothing_is_unpickled(tmp_path: Path, packed: bool) -> None:
    trace = tmp_path / "trace"
    pickled = made.npy_of("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", np.empty(0, np.uint8))
    pickled += pickle.dumps(np.array([Exploit(trace)], object))
    members = {"images": made.npy(made.TRAIN), "labels": pickled}
    path = npz(tmp_path, members) if packed else npy_folder(tmp_path, members)
    with pytest.raises(DataError, match=r"labels.*pickle"):
        open_folder(path)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "images.npy").write_bytes(pickle.dumps(Exploit(trace)))  # NumPy takes this for a pickle
    with pytest.raises(DataError, match=r"images\.npy: expected an array as numpy\.save"):
        open_folder(tmp_path / "raw")
    assert not trace.exists()


IMAGES, LABELS = made.TRAIN, made.TRAIN_LABELS
CHANGES = {
    "floats": ({"images": made.npy(IMAGES / np.float32(255))}, r"expected images as uint8, got float32.*np\.rint"),
    "wide integers": ({"images": made.npy(IMAGES.astype("<i8"))}, "uint8, got int64"),
    "channels first": ({"images": made.npy(made.pixels(6, 3, 4, 5))}, r"got \(6, 3, 4, 5\).*transpose\(0, 2, 3, 1\)"),
    "two channels": ({"images": made.npy(made.pixels(6, 4, 5, 2))}, r"1, 3 or 4 channels, got \(6, 4, 5, 2\)"),
    "flat images": ({"images": made.npy(made.pixels(6, 20))}, r"got \(6, 20\)"),
    "no images": ({"images": made.npy(IMAGES[:0])}, r"got shape \(0, 4, 5\)"),
    "fewer labels": ({"labels": made.npy(LABELS[:4])}, "each of the 6 images in .*images.*, got 4"),
    "float labels": ({"labels": made.npy(LABELS.astype("<f8"))}, "labels as integers, got float64"),
    "true and false": ({"labels": made.npy(LABELS > 1)}, "labels as integers, got bool"),
    "one-hot": (
        {"labels": made.npy(np.eye(3, dtype="<i4")[LABELS])},
        r"one label an image, got shape \(6, 3\).*argmax",
    ),
    "one label": (
        {"labels": made.npy_of("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", LABELS[:1])},
        r"got \(\)",
    ),
    "negative label": ({"labels": made.npy(LABELS.astype("<i4") - 1)}, "got -1 for example 1"),
    "huge label": ({"labels": made.npy(LABELS.astype("<u8") * 2**62)}, "got 9223372036854775808 for example 0"),
    "empty class": ({"labels": made.npy(LABELS * np.uint8(3))}, "none of class 1 and of 3 more"),
    "counted from 1": ({"labels": made.npy(LABELS + np.uint8(1))}, "none of class 0; .*subtract 1"),
    "strings": ({"labels": made.npy(LABELS.astype("<U1"))}, "array of numbers, got '<U1'"),
    "dates": ({"labels": made.npy(LABELS.astype("<m8[s]"))}, "array of numbers"),
    "another name": ({"masks": made.npy(LABELS)}, "'masks' is none of these"),
    "three words": ({"train_images_small": made.npy(LABELS)}, "'train_images_small' is none"),
    "twice": ({"x": made.npy(IMAGES)}, "one array of images for the split 'train', got two"),
    "no labels": ({"x_test": made.npy(IMAGES)}, "'test' has images, but no labels"),
    "other shape in test": (
        {"x_test": made.npy(IMAGES[:, :3]), "y_test": made.npy(LABELS)},
        r"one shape .*\(4, 5, 1\) in 'train', \(3, 5, 1\) in 'test'",
    ),
    "structured": (
        {"labels": made.npy_of("{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (6,), }", LABELS)},
        "array of numbers",
    ),
    "cut short": ({"images": made.npy(IMAGES)[:-1]}, "promises 248 bytes .* got 247"),
    "a byte more": ({"images": made.npy(IMAGES) + b"x"}, "promises 248 bytes .* got 249"),
    "huge shape": (
        {"images": made.npy_of("{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 9999, 9), }", IMAGES)},
        "promises 899909999910137 bytes",
    ),
    "negative sizes": (
        {"images": made.npy_of("{'descr': '|u1', 'fortran_order': False, 'shape': (-6, -4, 5), }", IMAGES)},
        "shape of up to 8",
    ),
    "true as a size": (
        {"images": made.npy_of("{'descr': '|u1', 'fortran_order': False, 'shape': (6, 20, True), }", IMAGES)},
        "shape of up to 8",
    ),
    "no header": ({"images": b"\x93NUMPY\x01\x00\xff\xff" + b" " * 100}, "header of an array, got none"),
    "version 9": ({"images": b"\x93NUMPY\x09" + made.npy(IMAGES)[7:]}, "header of an array, got none"),
    "code for a header": ({"images": made.npy_of("__import__('os')", IMAGES)}, "makes no sense"),
    "parentheses": ({"images": made.npy_of("(" * 9000, IMAGES)}, "makes no sense"),
    "another dict": ({"images": made.npy_of("{'shape': (6, 4, 5)}", IMAGES)}, "tell descr, fortran_order and shape"),
    "no array": ({"images": b"hello"}, "as numpy.save stores it"),
    "nothing": ({"images": b""}, "as numpy.save stores it"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", CHANGES)
def test_what_is_wrong_is_refused(tmp_path: Path, case: str, packed: bool) -> None:
    changes, message = CHANGES[case]
    members = {"images": made.npy(IMAGES), "labels": made.npy(LABELS)} | changes
    path = npz(tmp_path, members) if packed else npy_folder(tmp_path, members)
    with pytest.raises(DataError, match=re.compile(message, re.DOTALL)) as caught:
        open_folder(path)
    assert str(path) in str(caught.value)


def test_images_are_checked_before_any_array_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("an array was read")

    monkeypatch.setattr("fnn.data.files.npy.unpack", forbidden)
    with pytest.raises(DataError, match="got float64"):
        open_folder(npz(tmp_path, {"images": made.npy(IMAGES / 255), "labels": made.npy(LABELS)}))


def lie_about_size(content: bytes, size: int) -> bytes:
    """Sets the unpacked size of every member in the directory at the end and in the members' own headers."""
    changed = bytearray(content)
    for signature, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        for match in re.finditer(re.escape(signature), content):
            changed[match.start() + at : match.start() + at + 4] = size.to_bytes(4, "little")
    return bytes(changed)


def test_bomb_that_lies_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    shape = (2**30 - 128,)
    header = made.npy_of(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}", np.empty(0, np.uint8))
    assert len(header) == 128
    path = tmp_path / "set.npz"
    for method, message in (
        (zipfile.ZIP_DEFLATED, "cannot hold that many"),
        (zipfile.ZIP_STORED, "two different sizes"),
    ):
        path.write_bytes(lie_about_size(made.npz({"labels": header + bytes(1000)}, method), 2**30))
        with pytest.raises(DataError, match=message):
            # The pair is not complete, so that the array would be read; its labels would be, were it not for the size.
            open_folder_of_labels(path)


def open_folder_of_labels(path: Path) -> None:
    from fnn.data.files.npy import member_header, read_member

    with zipfile.ZipFile(path) as archive:
        (member,) = archive.infolist()
        read_member(archive, member, member_header(archive, member, "labels"), "labels")


def test_honest_bomb_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path, {"images": made.npy(np.zeros((6, 100, 100), np.uint8)), "labels": made.npy(LABELS)})
    open_folder(path)
    monkeypatch.setattr(foreign, "UNPACKED_LIMIT", 50_000)
    with pytest.raises(DataError, match=r"images.*60128 bytes, more than the 50000"):
        open_folder(path)


def test_checksum_of_npz_is_compared(tmp_path: Path) -> None:
    path = npz(tmp_path, {"images": made.npy(IMAGES), "labels": made.npy(LABELS)}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(IMAGES.tobytes()) + 50] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"images.*CRC"):
        open_folder(path)


@pytest.mark.parametrize("kept", [0, 10, 300, -60, -1])
def test_npz_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    path = npz(tmp_path, made.keras_arrays())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"set\.npz"):
        open_folder(path)


def test_other_packing_and_other_members_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a method that NumPy does not use"):
        open_folder(npz(tmp_path, made.keras_arrays(), zipfile.ZIP_BZIP2))
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"readme\.txt.*another file"):
        open_folder(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../images.npy", made.npy(IMAGES))
        archive.writestr("labels.npy", made.npy(LABELS))
    with pytest.raises(DataError, match=r"'\.\./images' is none of these"):
        open_folder(path)


def test_a_member_twice_is_refused(tmp_path: Path) -> None:
    content = made.npz({"images": made.npy(IMAGES), "labels": made.npy(LABELS), "lebals": made.npy(LABELS)})
    path = tmp_path / "set.npz"
    path.write_bytes(content.replace(b"lebals", b"labels"))
    with pytest.raises(DataError, match="'labels' twice"):
        open_folder(path)
