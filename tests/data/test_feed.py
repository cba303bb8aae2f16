"""Batches that are read ahead: the same, in the same order, wherever they lie and wherever reading begins."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

import fnn
from fnn import data, train


@dataclass(frozen=True)
class Slow:
    """Examples that take a while to read, at another speed each time, and count who reads at the same time."""

    images: np.ndarray
    labels: np.ndarray
    at_once: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    reading: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        _, height, width, channels = self.images.shape
        return height, width, channels

    def read(self, chosen: np.ndarray) -> np.ndarray:
        with self.lock:
            self.reading.append(1)
            self.at_once.append(len(self.reading))
        time.sleep(0.002 * (int(chosen.sum()) % 5))
        with self.lock:
            self.reading.pop()
        return self.images[chosen]


def streamed(samples: int = 50) -> data.Streamed:
    images = np.random.default_rng(0).integers(0, 256, (samples, 4, 4, 1), np.uint8)
    return data.Streamed(Slow(images, np.arange(samples, dtype=np.int32) % 3), ("a", "b", "c"), "made by hand")


def pairs(split: data.Split | data.Streamed, batches: data.Batches, steps: range, **how: int) -> list:
    return list(data.feed(split, batches, steps, data.Reading(**how)))


@pytest.mark.parametrize("how", [{"threads": 1, "ahead": 1}, {"threads": 8, "ahead": 3}])
def test_streamed_batches_are_those_in_memory(how: dict[str, int]) -> None:
    split = streamed()
    batches = data.make_batches(50, 7, seed=3)
    for steps in (range(24), range(5, 19), range(11, 11)):
        got = pairs(split, batches, steps, **how)
        expected = pairs(split.in_memory(), batches, steps)
        assert len(got) == len(expected) == len(steps)
        for (images, labels), (same_images, same_labels), step in zip(got, expected, steps, strict=True):
            chosen = batches.indices(step)
            np.testing.assert_array_equal(labels, split.labels[chosen])
            np.testing.assert_array_equal(labels, same_labels)
            np.testing.assert_array_equal(images, same_images)


def test_threads_read_at_the_same_time() -> None:
    split = streamed()
    pairs(split, data.make_batches(50, 5, seed=0), range(20), threads=4, ahead=4)
    assert isinstance(split.examples, Slow)
    assert max(split.examples.at_once) > 1


def test_a_network_learns_the_same_bits_from_a_stream() -> None:
    split = streamed()
    layer = fnn.models.mlp(3)
    learned = [
        train.fit(layer, samples, optax.sgd(0.1), epochs=2, batch_size=8, validation=samples)
        for samples in (split, split.in_memory())
    ]
    for mine, theirs in zip(*(jax.tree.leaves(fitted.train_state.params) for fitted in learned), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert learned[0].history[-1].validation_loss == learned[1].history[-1].validation_loss


@pytest.mark.parametrize("ahead", [0, 1, 3, 50])
def test_batches_are_on_the_device_before_they_are_asked_for(ahead: int) -> None:
    read: list[int] = []

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number in range(10):
            read.append(number)
            yield np.full(3, number, np.uint8), np.array(number)

    for number, (images, label) in enumerate(data.to_device(batches(), ahead)):
        assert isinstance(images, jax.Array)
        assert images.dtype == np.uint8
        assert images.tolist() == [number] * 3
        assert label == number
        assert len(read) == min(10, number + ahead + 1)
    assert len(read) == 10
    with pytest.raises(ValueError, match="at least 0, got -1"):
        data.to_device(batches(), -1)


def test_an_error_while_reading_reaches_who_asked() -> None:
    class Broken(Slow):
        def read(self, chosen: np.ndarray) -> np.ndarray:
            if 7 in chosen:
                raise data.DataError("seven.png is cut short.")
            return super().read(chosen)

    good = streamed().examples
    assert isinstance(good, Slow)
    split = data.Streamed(Broken(good.images, good.labels), ("a", "b", "c"), "made by hand")
    with pytest.raises(data.DataError, match=r"seven\.png"):
        pairs(split, data.make_batches(50, 5, seed=0), range(10))


def test_moments_of_a_stream_are_those_of_its_pixels() -> None:
    split = streamed(2300)
    pixels = split.in_memory().images.astype(np.float64) / 255
    for mean, std in (data.normalization_of(split), data.normalization_of(split.in_memory())):
        np.testing.assert_allclose(mean, [pixels.mean()], rtol=1e-7)
        np.testing.assert_allclose(std, [pixels.std()], rtol=1e-7)


IN_PROCESSES = """
import pathlib, sys
import numpy as np
from PIL import Image
from fnn import data

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    for number in range(60):
        (folder / str(number % 3)).mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(folder / str(number % 3) / f"{number}.png")
    split = data.stream(folder, "train")
    batches = data.make_batches(60, 7, seed=0)
    reading = data.Reading(threads=2, ahead=2, processes=2)
    steps = iter(range(3, 12))
    for images, labels in data.feed(split, batches, range(3, 12), reading):
        chosen = batches.indices(next(steps))
        assert np.array_equal(images, split.read(chosen)) and np.array_equal(labels, split.labels[chosen])
    print("left:", list(steps))
"""


def test_processes_read_the_same(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(IN_PROCESSES)
    (tmp_path / "images").mkdir()
    command = [sys.executable, "script.py", "images"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "left: []\n"


def test_batches_of_another_split_are_refused() -> None:
    with pytest.raises(ValueError, match="of 40 samples, but the split has 50"):
        data.feed(streamed(), data.make_batches(40, 5, seed=0), range(3))
    with pytest.raises(ValueError, match="count up by 1"):
        data.feed(streamed(), data.make_batches(50, 5, seed=0), range(0, 6, 2))


def test_what_is_too_large_for_memory_is_refused_with_the_sizes() -> None:
    with pytest.raises(data.DataError, match=r"train of digits has 0\.0 GiB .* more than the 0\.0 GiB"):
        data.load("digits", "train", memory=1000)
