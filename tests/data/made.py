"""Files of every format, made byte by byte: none of the readers' own code, nor NumPy's or Pillow's writers."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

IDX_CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array: np.ndarray) -> bytes:
    """The header of an IDX file, big-endian, and the values."""
    code = IDX_CODES[array.dtype.str[1:]]
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def npy(array: np.ndarray, order: str = "C") -> bytes:
    """Version 1 of NumPy's format."""
    return npy_of(
        f"{{'descr': '{array.dtype.str}', 'fortran_order': {order == 'F'}, 'shape': {array.shape}, }}", array, order
    )


def npy_of(header: str, array: np.ndarray, order: str = "C") -> bytes:
    text = header.encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + (array.T if order == "F" else array).tobytes()


def npz(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def cifar(images: np.ndarray, *labels: np.ndarray) -> bytes:
    """Records of label bytes, then the red, green and blue plane."""
    records = []
    for number, image in enumerate(images):
        planes = b"".join(image[:, :, channel].tobytes() for channel in range(3))
        records.append(bytes(int(column[number]) for column in labels) + planes)
    return b"".join(records)


def tar(members: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def png(array: np.ndarray, more: bytes = b"") -> bytes:
    """An image of 8 or 16 bits by its shape `(height, width[, channels])`; `more` are chunks before the pixels."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[array.shape[2] if array.ndim == 3 else 1]
    return png_of(array.shape[1], array.shape[0], array.dtype.itemsize * 8, kind, array, more)


def png_of(width: int, height: int, bits: int, kind: int, array: np.ndarray, more: bytes = b"") -> bytes:
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# Small whole data sets of each format, with the images and labels that they hold.

TRAIN, TEST = pixels(6, 4, 5, seed=1), pixels(3, 4, 5, seed=2)
TRAIN_LABELS, TEST_LABELS = np.array([2, 0, 1, 1, 2, 0], np.uint8), np.array([1, 1, 0], np.uint8)
CIFAR_TRAIN, CIFAR_TEST = pixels(10, 32, 32, 3, seed=3), pixels(2, 32, 32, 3, seed=4)
CIFAR_TRAIN_LABELS, CIFAR_TEST_LABELS = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7], np.uint8), np.array([7, 7], np.uint8)


def mnist_files() -> dict[str, bytes]:
    return {
        "train-images-idx3-ubyte": idx(TRAIN),
        "train-labels-idx1-ubyte": idx(TRAIN_LABELS),
        "t10k-images-idx3-ubyte": idx(TEST),
        "t10k-labels-idx1-ubyte": idx(TEST_LABELS),
    }


def cifar10_files() -> dict[str, bytes]:
    files = {
        f"data_batch_{number + 1}.bin": cifar(CIFAR_TRAIN[2 * number :][:2], CIFAR_TRAIN_LABELS[2 * number :][:2])
        for number in range(5)
    }
    return files | {"test_batch.bin": cifar(CIFAR_TEST, CIFAR_TEST_LABELS)}


def keras_arrays() -> dict[str, bytes]:
    return {
        "x_train": npy(TRAIN),
        "y_train": npy(TRAIN_LABELS),
        "x_test": npy(TEST),
        "y_test": npy(TEST_LABELS),
    }


def image_files() -> dict[str, bytes]:
    return {f"train/{'abc'[label]}/{place}.png": png(TRAIN[place]) for place, label in enumerate(TRAIN_LABELS)}
