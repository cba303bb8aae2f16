"""Which format a folder is taken for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from data import made

from fnn.data.files import open_folder
from fnn.data.source import DataError

FORMATS = {
    "IDX": made.mnist_files(),
    "CIFAR": made.cifar10_files(),
    "CIFAR archive": {"cifar-10-binary.tar.gz": made.tar(made.cifar10_files())},
    "npz": {"set.npz": made.npz(made.keras_arrays())},
    "npy": {f"{name}.npy": content for name, content in made.keras_arrays().items()},
    "images": made.image_files(),
}
TOLD = {
    "IDX": "the IDX files in",
    "CIFAR": "CIFAR-10, the binary files in",
    "CIFAR archive": "cifar-10-binary.tar.gz",
    "npz": "the arrays in",
    "npy": "the arrays in",
    "images": "the images in",
}


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_recognised_among_other_things(tmp_path: Path, kind: str) -> None:
    others = {"README.md": b"", ".hidden.npz": b""} | ({} if kind == "images" else {"notes/plan.txt": b""})
    made.write(tmp_path, FORMATS[kind] | others)
    assert TOLD[kind] in open_folder(tmp_path).description
    assert TOLD[kind] in open_folder(str(tmp_path)).description


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ("IDX", "npz", "IDX files (t10k-images-idx3-ubyte, .*) and NumPy arrays (set.npz)"),
        ("IDX", "CIFAR", "IDX files .* and CIFAR's binary files (data_batch_1.bin"),
        ("npy", "images", "NumPy arrays .* and folders of images (train)"),
        ("CIFAR", "images", "CIFAR's binary files .* and folders of images"),
    ],
)
def test_two_formats_at_once_are_both_named(tmp_path: Path, one: str, other: str, names: str) -> None:
    made.write(tmp_path, FORMATS[one] | FORMATS[other])
    with pytest.raises(DataError, match=names.replace("(", r"\(").replace(")", r"\)")):
        open_folder(tmp_path)


def test_archive_beside_what_was_unpacked_from_it_does_not_count(tmp_path: Path) -> None:
    made.write(tmp_path, FORMATS["images"] | FORMATS["CIFAR archive"])
    assert TOLD["images"] in open_folder(tmp_path).description


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, "but nothing;"),
        ({"a.txt": b"", "b.csv": b""}, "but a.txt, b.csv;"),
        ({f"{number}.txt": b"" for number in range(20)}, "15.txt and 12 more;"),
        ({"cats/notes.txt": b""}, "but cats/;"),
        ({"a.tar.gz": b"", "b.tar.gz": b""}, "a.tar.gz, b.tar.gz"),
        ({"data_batch_1": b"", "batches.meta": b""}, "Pickles are never read"),
        ({"set.pkl": b""}, "Pickles are never read"),
    ],
)
def test_none_of_the_formats_lists_what_was_found_and_what_is_understood(
    tmp_path: Path, files: dict, found: str
) -> None:
    with pytest.raises(DataError, match=re.escape(found)) as caught:
        open_folder(made.write(tmp_path, files))
    message = str(caught.value)
    assert str(tmp_path) in message
    for understood in ("idx3-ubyte", "data_batch_1.bin", ".npz", "CLASS/*.png"):
        assert understood in message


def test_images_without_classes_are_told_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one subfolder a class, got 1\.png of no class"):
        open_folder(made.write(tmp_path, {"1.png": made.png(made.TRAIN[0])}))


def test_what_is_not_there_or_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        open_folder(tmp_path / "nowhere")
    made.write(tmp_path, {"set.txt": b"", "set.npz": b"hello", "set.tgz": b"hello"})
    with pytest.raises(DataError, match=r"set\.txt: expected a folder, a \.npz or a \.tar\.gz"):
        open_folder(tmp_path / "set.txt")
    for name in ("set.npz", "set.tgz"):
        with pytest.raises(DataError, match=f"{name}: cannot be read"):
            open_folder(tmp_path / name)


@pytest.mark.parametrize("kind", ["IDX", "CIFAR", "npz"])
def test_image_size_must_be_right_where_nothing_is_resized(tmp_path: Path, kind: str) -> None:
    made.write(tmp_path, FORMATS[kind])
    size = (32, 32) if kind == "CIFAR" else (4, 5)
    open_folder(tmp_path, image_size=size)
    with pytest.raises(DataError, match=f"{size[0]}×{size[1]} pixels .* got image_size \\(8, 8\\)"):
        open_folder(tmp_path, image_size=(8, 8))


def test_link_to_nowhere_is_named(tmp_path: Path) -> None:
    made.write(tmp_path, FORMATS["images"])
    (tmp_path / "train/a/9.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"train/a/9\.png: .*neither"):
        open_folder(tmp_path)


def test_pillow_is_loaded_only_for_images() -> None:
    code = "import sys, fnn.data.files; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
