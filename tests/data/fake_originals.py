"""Small files in the form of TFDS's originals, and TFDS told that they are the originals."""

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds
from tensorflow_datasets.core import units
from tensorflow_datasets.core.download import checksums
from tensorflow_datasets.image_classification import mnist as tfds_mnist

from fnn.data.prepare import cifar, svhn

TRAIN, TEST = 30, 10
FASHIONS = ("mnist", "fashion_mnist", "kmnist")
STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def mnist_files(classes: int = 10, seed: int = 0) -> dict[str, bytes]:
    """The contents of MNIST's four files."""
    draw = np.random.default_rng(seed)
    arrays = []
    for count in (TRAIN, TEST):
        arrays += [draw.integers(0, 256, (count, 28, 28), np.uint8), draw.integers(0, classes, count, np.uint8)]
    return {stem: idx(array) for stem, array in zip(STEMS, arrays, strict=True)}


def emnist_files() -> dict[str, bytes]:
    """The contents of EMNIST's letters, by their names in the archive."""
    names = [f"gzip/emnist-letters-{stem}".replace("t10k", "test") for stem in STEMS]
    return dict(zip(names, mnist_files(27, seed=1).values(), strict=True))


def cifar_files(name: str) -> dict[str, bytes]:
    """The contents of CIFAR's files, by their names in the archive."""
    draw = np.random.default_rng(2)
    labels = [10] if name == "cifar10" else [20, 100]
    folder = "cifar-10-batches-bin" if name == "cifar10" else "cifar-100-binary"
    names = {"cifar10": [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]}
    files = {}
    for file in names.get(name, ["train.bin", "test.bin"]):
        columns = [draw.integers(0, classes, (4, 1), np.uint8) for classes in labels]
        files[file] = np.concatenate([*columns, draw.integers(0, 256, (4, 3072), np.uint8)], axis=1).tobytes()
    for file, classes in zip(
        ["batches.meta.txt"] if name == "cifar10" else ["coarse_label_names.txt", "fine_label_names.txt"],
        labels,
        strict=True,
    ):
        files[file] = "".join(f"class {i}\n" for i in range(classes)).encode() + b"\n"
    return {f"{folder}/{file}": content for file, content in files.items()} | {f"{folder}/readme.html": b"<html>"}


def svhn_files() -> dict[str, bytes]:
    """The contents of SVHN's three files."""
    draw, files = np.random.default_rng(3), {}
    for name, count in (("train", 7), ("test", 5), ("extra", 3)):
        file = io.BytesIO()
        images = draw.integers(0, 256, (32, 32, 3, count), np.uint8)
        scipy.io.savemat(file, {"X": images, "y": draw.integers(1, 11, (count, 1), np.uint8)}, do_compression=True)
        files[f"{name}_32x32.mat"] = file.getvalue()
    return files


def tar_gz(files: Mapping[str, bytes], **extra: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra.values():
            tar.addfile(member)
    return packed.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def originals(name: str) -> dict[str, bytes]:
    """What TFDS would download for a set: contents by file name."""
    if name in FASHIONS:
        return {f"{stem}.gz": gzip.compress(content, mtime=0) for stem, content in mnist_files().items()}
    if name == "emnist/letters":
        return {"gzip.zip": zipped({f"{n}.gz": gzip.compress(c, mtime=0) for n, c in emnist_files().items()})}
    if name.startswith("cifar"):
        return {f"cifar-{name[5:]}-binary.tar.gz": tar_gz(cifar_files(name))}
    return svhn_files()


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Writes files by name, subfolders and all."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every set as small as the files here."""
    monkeypatch.setattr(tfds_mnist, "_TRAIN_EXAMPLES", TRAIN)
    monkeypatch.setattr(tfds_mnist, "_TEST_EXAMPLES", TEST)
    letters = tfds_mnist.EMNIST.builder_configs["letters"]
    monkeypatch.setattr(letters, "train_examples", TRAIN)
    monkeypatch.setattr(letters, "test_examples", TEST)
    monkeypatch.setattr(cifar, "IMAGES", dict.fromkeys(cifar.IMAGES, 4))
    monkeypatch.setattr(svhn, "IMAGES", {"train_": 7, "test_": 5, "extra_": 3})


def register(monkeypatch: pytest.MonkeyPatch, name: str, files: Mapping[str, bytes]) -> None:
    """Tells TFDS that these are a set's originals."""
    kind: Any = tfds.builder_cls(name.partition("/")[0])
    infos = {
        url: checksums.UrlInfo(
            units.Size(len(files[info.filename])),
            hashlib.sha256(files[info.filename]).hexdigest(),
            info.filename,
        )
        for url, info in kind.url_infos.items()
    }
    monkeypatch.setattr(kind, "url_infos", infos)


def unpacked(name: str) -> dict[str, bytes]:
    """What the stock builder reads, unpacked: contents by name in the archive."""
    if name in FASHIONS:
        return mnist_files()
    if name == "emnist/letters":
        return emnist_files()
    return cifar_files(name) if name.startswith("cifar") else svhn_files()


def stock_directory(monkeypatch: pytest.MonkeyPatch, name: str, root: Path) -> Path:
    """Lets TFDS's own builder and generator prepare a set, TensorFlow's three functions replaced.

    Files are opened by Python, nothing is unpacked or downloaded, and PNGs are written by Pillow.
    """
    from tensorflow_datasets.core.features import image_feature

    set_name, _, config = name.partition("/")
    builder: Any = tfds.builder_cls(set_name)(data_dir=str(root / "stock"), config=config or None)
    files = write(root / "unpacked", unpacked(name))

    def path(url: str) -> str:
        file = url.rpartition("/")[2]
        return str(files if file.endswith((".zip", ".tar.gz")) else files / file.removesuffix(".gz"))

    def every(function: Any, tree: Any) -> Any:
        return {key: function(value) for key, value in tree.items()} if isinstance(tree, dict) else function(tree)

    def found(urls: Any) -> Any:
        return every(path, urls)

    size = sum(len(content) for content in originals(name).values())
    manager = SimpleNamespace(
        download=found,
        download_and_extract=found,
        extract=lambda paths: every(lambda path: path.removesuffix(".gz"), paths),
        downloaded_size=size,
    )
    opened = SimpleNamespace(io=SimpleNamespace(gfile=SimpleNamespace(GFile=open)))
    with monkeypatch.context() as patch:
        patch.setitem(type(builder)._generate_examples.__globals__, "tf", opened)
        for function in ("_extract_mnist_images", "_load_data"):
            if function in type(builder)._generate_examples.__globals__:
                patch.setitem(type(builder)._generate_examples.__globals__[function].__globals__, "tf", opened)
        patch.setattr(builder, "_make_download_manager", lambda **_: manager)
        patch.setattr(
            image_feature._ImageEncoder,
            "_encode_image",
            lambda self, array: self._encode_pil_image(
                image_feature.PIL_Image.fromarray(
                    array[..., 0] if array.shape[-1] == 1 else np.ascontiguousarray(array)
                )
            ),
        )
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False), file_format="array_record"
        )
    return Path(builder.data_dir)
