"""CIFAR's binary files and archives, made by hand."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from data import made

from fnn.data.files import cifar, open_folder
from fnn.data.files.cifar import Records
from fnn.data.source import DataError

NAMES = [f"thing {number}" for number in range(10)]


def archive(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(content)
    return path


def in_archive(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"cifar-10-batches-bin/{name}": content for name, content in files.items()}


@pytest.mark.parametrize("packed", [False, True])
def test_cifar10_from_folder_and_archive(tmp_path: Path, packed: bool) -> None:
    files = made.cifar10_files() | {"batches.meta.txt": "\n".join([*NAMES, "", ""]).encode(), "readme.html": b"<p>"}
    path = archive(tmp_path, made.tar(in_archive(files))) if packed else made.write(tmp_path, files)
    source = open_folder(path)
    assert list(source.splits) == ["train", "test"]
    assert source.class_names == tuple(NAMES)
    train, test = source.splits["train"], source.splits["test"]
    assert train.image_shape == (32, 32, 3)
    assert train.labels.dtype == np.int32
    np.testing.assert_array_equal(train.labels, made.CIFAR_TRAIN_LABELS)
    np.testing.assert_array_equal(test.labels, made.CIFAR_TEST_LABELS)
    for chosen in (np.arange(10), np.array([9, 0, 3, 3, 2]), np.array([4])):  # across the five files
        np.testing.assert_array_equal(train.read(chosen), made.CIFAR_TRAIN[chosen])
    np.testing.assert_array_equal(test.read(np.arange(2)), made.CIFAR_TEST)
    assert train.read(np.array([], np.int64)).shape == (0, 32, 32, 3)
    with pytest.raises(IndexError):
        train.read(np.array([10]))


def test_cifar100_has_the_fine_labels(tmp_path: Path) -> None:
    images = made.pixels(100, 32, 32, 3)
    fine, coarse = np.random.default_rng(0).permutation(100), np.arange(100) % 20
    names = "\n".join(f"fine {number}" for number in range(100)).encode()
    source = open_folder(
        made.write(
            tmp_path,
            {
                "train.bin": made.cifar(images, coarse, fine),
                "test.bin": made.cifar(images[:3], coarse[:3], fine[:3]),
                "fine_label_names.txt": names,
            },
        )
    )
    np.testing.assert_array_equal(source.splits["train"].labels, fine)
    np.testing.assert_array_equal(source.splits["test"].labels, fine[:3])
    np.testing.assert_array_equal(source.splits["train"].read(np.arange(100)), images)
    assert source.class_names[7] == "fine 7"


def test_files_are_mapped_and_classes_without_names_are_numbers(tmp_path: Path) -> None:
    source = open_folder(made.write(tmp_path, made.cifar10_files()))
    train = source.splits["train"]
    assert isinstance(train, Records)
    assert not any(part.flags.owndata or part.flags.writeable for part in train.parts)
    assert source.class_names == tuple("0123456789")


BATCH = made.cifar10_files()["data_batch_2.bin"]
CHANGES = {
    "cut short": ({"data_batch_2.bin": BATCH[:-1]}, "data_batch_2.bin.* records of 3073 bytes, got 6145"),
    "a byte more": ({"data_batch_2.bin": BATCH + b"x"}, "data_batch_2.bin.* got 6147 bytes, which are 2 records and 1"),
    "empty": ({"data_batch_2.bin": b""}, "data_batch_2.bin.* got 0 bytes"),
    "label 10": (
        {"test_batch.bin": made.cifar(made.CIFAR_TEST, np.array([0, 10]))},
        "from 0 to 9, got 10 for example 1",
    ),
    "class 4 empty": ({"data_batch_2.bin": made.cifar(made.CIFAR_TRAIN[:2], np.array([0, 0]))}, "none of class 4;"),
    "nine names": ({"batches.meta.txt": "\n".join(NAMES[1:]).encode()}, "batches.meta.txt.* 10 different .* got 9"),
    "names twice": ({"batches.meta.txt": "\n".join(["x"] * 10).encode()}, "10 different class names"),
    "CIFAR-100 too": ({"train.bin": b"x"}, "those of both"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", CHANGES)
def test_what_is_wrong_is_refused(tmp_path: Path, case: str, packed: bool) -> None:
    changes, message = CHANGES[case]
    files = made.cifar10_files() | changes
    path = archive(tmp_path, made.tar(files)) if packed else made.write(tmp_path, files)
    with pytest.raises(DataError, match=message) as caught:
        open_folder(path)
    assert str(path) in str(caught.value)


def test_coarse_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    made.write(tmp_path, {"test.bin": made.cifar(made.CIFAR_TEST, np.array([0, 20]), np.array([0, 0]))})
    with pytest.raises(DataError, match=r"test\.bin: expected labels from 0 to 19, got 20"):
        open_folder(tmp_path)


def test_missing_batch_is_named_but_a_folder_may_hold_one_split(tmp_path: Path) -> None:
    made.write(tmp_path, made.cifar10_files())
    (tmp_path / "test_batch.bin").unlink()
    assert list(open_folder(tmp_path).splits) == ["train"]
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"'train' of CIFAR-10 lacks data_batch_3\.bin"):
        open_folder(tmp_path)


def test_a_corrupt_header_in_an_archive_does_not_pass_for_its_end(tmp_path: Path) -> None:
    content = made.tar(made.cifar10_files(), mode="w")
    at = content.index(b"test_batch.bin")
    assert at % 512 == 0
    broken = content[:at] + b"X" + content[at + 1 :]  # its checksum is wrong now
    with pytest.raises(DataError, match=r"lacks test_batch\.bin"):
        open_folder(archive(tmp_path, gzip.compress(broken)))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member("../test_batch.bin"), "outside"),
        (member("a/../../test_batch.bin"), "outside"),
        (member("/etc/passwd"), "outside"),
        (member("..\\readme.html"), "outside"),
        (member("C:\\readme.html"), "outside"),
        (member("test_batch.bin", tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
        (member("readme.html", tarfile.LNKTYPE, "../secret"), "a link or a device"),
        (member("readme.html", tarfile.CHRTYPE), "a link or a device"),
        (member("readme.html", tarfile.FIFOTYPE), "a link or a device"),
        (member("readme.html", size=2**40), "members of up to"),
        (member("x/data_batch_1.bin"), "got two"),
    ],
)
def test_members_that_climb_out_link_or_bloat_are_refused(tmp_path: Path, info: tarfile.TarInfo, message: str) -> None:
    content = io.BytesIO(made.tar(made.cifar10_files(), mode="w"))
    with tarfile.open(fileobj=content, mode="a") as tar:
        tar.addfile(info)
    path = archive(tmp_path, gzip.compress(content.getvalue()))
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(DataError, match=message) as caught:
        open_folder(path)
    assert str(path) in str(caught.value)
    assert sorted(tmp_path.parent.rglob("*")) == before  # nothing was extracted


def test_archive_unpacks_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "ARCHIVE_LIMIT", 2**20)
    bomb = {f"padding {number}": bytes(2**19) for number in range(4)} | made.cifar10_files()
    with pytest.raises(DataError, match="unpacks to more than 1048576 bytes"):
        open_folder(archive(tmp_path, made.tar(bomb)))


def test_archive_has_a_limit_of_members(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="up to 1000 members"):
        open_folder(archive(tmp_path, made.tar({f"{number}": b"" for number in range(1001)} | made.cifar10_files())))


@pytest.mark.parametrize("kept", [0, 5, 100, -20000, -9, -1])
def test_archive_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    content = made.tar(made.cifar10_files())
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz"):
        open_folder(archive(tmp_path, content[:kept]))


def test_member_cut_short_within_a_whole_gz_is_refused(tmp_path: Path) -> None:
    content = made.tar(made.cifar10_files(), mode="w")
    cut = content[: content.index(b"test_batch.bin") + 512 + 3073]  # one whole record of the two
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz: .* cut short"):
        open_folder(archive(tmp_path, gzip.compress(cut)))


def test_checksum_after_the_last_member_is_compared(tmp_path: Path) -> None:
    content = bytearray(made.tar(made.cifar10_files()))
    content[-6] ^= 1  # the CRC of the whole
    with pytest.raises(DataError, match="CRC"):
        open_folder(archive(tmp_path, bytes(content)))


def test_negative_sizes_do_not_send_the_reader_round_in_circles(tmp_path: Path) -> None:
    info = member("readme.html", size=0).tobuf()
    size = (-1024).to_bytes(12, "big", signed=True)
    header = bytearray(info[:124] + size + info[136:])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    content = gzip.compress(made.tar(made.cifar10_files(), mode="w")[:-10240] + bytes(header) + bytes(1024))
    with pytest.raises(DataError, match="cifar-10-binary"):
        open_folder(archive(tmp_path, content))
