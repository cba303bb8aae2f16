"""Measure how fast batches come: from memory to the device, and streamed beside plain Grain.

  python -m benchmarks.batches                                           # half a minute
  python -m benchmarks.batches --batch_size=256 --repeats=9

In memory: 60,000 images of 28×28, gathered in the order of an epoch, put on the device, cast and normalized there; on
one core. Streamed: PNG files of the same size, read by `fnn.data.feed` and by a plain Grain pipeline of the same
number of threads (shuffle, map, batch), taking turns. Prints images a second, median [quartiles].
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags

from benchmarks.measure import summarize
from experiments import command
from fnn import data

BATCH_SIZE = flags.DEFINE_integer("batch_size", 1024, "Images a batch.", lower_bound=1, upper_bound=2048)
REPEATS = flags.DEFINE_integer("repeats", 7, "Rounds.", lower_bound=1)
THREADS = flags.DEFINE_integer("threads", 4, "Of reading.", lower_bound=1)
FILES = 4096


def main() -> None:
    """Measures and prints."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    images = np.random.default_rng(0).integers(0, 256, (60_000, 28, 28, 1), np.uint8)
    labels = np.arange(len(images), dtype=np.int32) % 10
    split = data.Split(images, labels, tuple("0123456789"), "random bytes")
    normalize = jax.jit(data.normalization_of(split).__call__)
    rates = [rate(lambda: from_memory(split, normalize)) for _ in range(REPEATS.value + 1)][1:]
    report("in memory, to normalized floats on the device, one core", rates)

    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), images, labels)
        streamed = data.stream(folder, "train")
        readers = {"streamed by fnn.data.feed": by_feed, "streamed by plain Grain": by_grain}
        rounds: dict[str, list[float]] = {name: [] for name in readers}
        for number in range(REPEATS.value + 1):
            for name, read in readers.items():
                measured = rate(lambda read=read: read(streamed))
                if number:  # the first round warms up
                    rounds[name].append(measured)
    for name, measured in rounds.items():
        report(name, measured)
    feed, grain = (summarize(measured).median for measured in rounds.values())
    print(f"fnn's rate is {feed / grain:.2f} of plain Grain's")


def rate(batches: Callable[[], Iterator[Any]]) -> float:
    """Returns how many images a second come."""
    start, images = time.perf_counter(), 0
    last = None
    for last in batches():
        images += len(last)
    jax.block_until_ready(last)
    return images / (time.perf_counter() - start)


def from_memory(split: data.Split, normalize: Callable[[Any], jax.Array]) -> Iterator[jax.Array]:
    """Yields an epoch's batches as the training step has them."""
    batches = data.make_batches(len(split), BATCH_SIZE.value, seed=0, drop_last=True)
    for images, _ in data.feed(split, batches, range(batches.per_epoch)):
        yield normalize(images)


def by_feed(split: data.Streamed) -> Iterator[np.ndarray]:
    """Yields an epoch's images as fnn reads them."""
    batches = data.make_batches(len(split), BATCH_SIZE.value, seed=0, drop_last=True)
    reading = data.Reading(threads=THREADS.value)
    for images, _ in data.feed(split, batches, range(batches.per_epoch), reading):
        yield images


def by_grain(split: data.Streamed) -> Iterator[np.ndarray]:
    """Yields an epoch's images as Grain's own example does it: shuffle, map, batch."""
    import grain

    dataset = (
        grain.MapDataset.range(len(split))
        .shuffle(seed=0)
        .map(lambda index: split.read(np.array([index]))[0])
        .to_iter_dataset(grain.ReadOptions(num_threads=THREADS.value))
        .batch(BATCH_SIZE.value, drop_remainder=True)
    )
    yield from dataset


def write_files(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Writes some images as PNG files, a subfolder for each class."""
    from PIL import Image

    for number in range(FILES):
        place = folder / str(labels[number])
        place.mkdir(exist_ok=True)
        Image.fromarray(images[number, ..., 0]).save(place / f"{number}.png")


def report(name: str, rates: list[float]) -> None:
    """Prints a line."""
    median, q1, q3 = summarize(rates)
    print(f"{name}: {median:,.0f} [{q1:,.0f}–{q3:,.0f}] images a second")


if __name__ == "__main__":
    command.run(main)
