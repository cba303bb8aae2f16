"""Bytes changed by chance: whatever comes is a valid data set or a DataError, soon and in little memory."""

import gzip
import io
import shutil
import signal
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from data import made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fnn.data.files import open_folder
from fnn.data.source import DataError

MEMORY = 50 * 2**20
SECONDS = 10
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def saved(kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(made.pixels(4, 5, 3)).save(file, kind, **how)
    return file.getvalue()


def small_cifar() -> dict[str, bytes]:
    return {name: content for name, content in made.cifar10_files().items() if name == "test_batch.bin"}


IDX, ARRAYS = made.mnist_files(), made.keras_arrays()
SETS: dict[str, tuple[dict[str, bytes], str]] = {
    "IDX": (IDX, "train-images-idx3-ubyte"),
    "IDX labels": (IDX, "train-labels-idx1-ubyte"),
    "IDX gz": ({f"{name}.gz": gzip.compress(content) for name, content in IDX.items()}, "train-images-idx3-ubyte.gz"),
    "EMNIST": (
        {f"emnist-x-{name.replace('t10k', 'test')}": content for name, content in IDX.items()}
        | {"emnist-x-mapping.txt": b"0 65\n1 66\n2 67\n"},
        "emnist-x-mapping.txt",
    ),
    "CIFAR": (small_cifar(), "test_batch.bin"),
    "CIFAR archive": ({"a.tar.gz": made.tar(made.cifar10_files())}, "a.tar.gz"),
    "npz": ({"a.npz": made.npz(ARRAYS)}, "a.npz"),
    "npz stored": ({"a.npz": made.npz(ARRAYS, 0)}, "a.npz"),
    "npy": ({f"{name}.npy": content for name, content in ARRAYS.items()}, "x_train.npy"),
    "npy labels": ({f"{name}.npy": content for name, content in ARRAYS.items()}, "y_train.npy"),
    "PNG": ({"a/1.png": made.png(made.pixels(4, 5, 3)), "b/1.png": made.png(made.pixels(4, 5))}, "a/1.png"),
    "JPEG": ({"a/1.jpg": saved("JPEG"), "b/1.png": made.png(made.pixels(4, 5))}, "a/1.jpg"),
    "WebP": ({"a/1.webp": saved("WEBP"), "b/1.png": made.png(made.pixels(4, 5))}, "a/1.webp"),
}


@st.composite
def changes(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Cuts, changes, doubles or adds some bytes, at the start of the file rather than at its end."""
    edits = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["flip", "set", "cut", "insert", "repeat", "drop"]),
                st.one_of(st.integers(0, 80), st.integers(0, 2**16)),
                st.one_of(st.sampled_from([0, 1, 127, 128, 255]), st.integers(0, 255)),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def apply(content: bytes) -> bytes:
        changed = bytearray(content)
        for kind, where, value in edits:
            place = where % max(len(changed), 1)
            if kind == "flip" and changed:
                changed[place] ^= 1 << value % 8
            elif kind == "set" and changed:
                changed[place] = value
            elif kind == "cut":
                del changed[place:]
            elif kind == "insert":
                changed[place:place] = bytes([value]) * (value % 5 + 1)
            elif kind == "repeat":
                changed += changed[place : place + value]
            elif kind == "drop":
                del changed[place : place + value % 9 + 1]
        return bytes(changed)

    return apply


@pytest.fixture
def _watchdog() -> Iterator[None]:
    def bark(*_: object) -> None:
        raise AssertionError(f"it took longer than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, bark)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def open_and_read(folder: Path) -> None:
    """Reads all of a data set, and checks that it is what every source promises."""
    source = open_folder(folder)
    for split in source.splits.values():
        images = split.read(np.arange(len(split.labels)))
        assert images.dtype == np.uint8
        assert images.shape == (len(split.labels), *split.image_shape)
        assert split.labels.dtype == np.int32
        assert 0 <= split.labels.min() <= split.labels.max() < len(source.class_names)


def check(kind: str, change: Callable[[bytes], bytes]) -> bool:
    """Returns whether the changed data set could be read."""
    files, victim = SETS[kind]
    folder = Path(tempfile.mkdtemp())
    try:
        made.write(folder, files | {victim: change(files[victim])})
        tracemalloc.start()
        signal.alarm(SECONDS)
        told = None
        try:
            open_and_read(folder)
        except DataError as error:
            told = str(error)
        finally:
            signal.alarm(0)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < MEMORY
        assert told is None or str(folder) in told  # it names the file
        return told is None
    finally:
        shutil.rmtree(folder)


@pytest.mark.usefixtures("_watchdog")
@pytest.mark.parametrize("kind", SETS)
def test_unchanged_files_can_be_read(kind: str) -> None:
    assert check(kind, bytes)


@pytest.mark.usefixtures("_watchdog")
@pytest.mark.parametrize("kind", SETS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(change=changes())
def test_changed_files_are_read_or_refused(kind: str, change: Callable[[bytes], bytes]) -> None:
    check(kind, change)
