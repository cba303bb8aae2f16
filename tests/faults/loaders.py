"""A run reads with Grain's worker processes and one of them is killed: the same order, or an error, but no hang."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fnn import data

SECONDS = 30
"""In which a run whose loader was killed must have ended."""


class Slow:
    """Examples that are made from their number and take a while, as decoding does."""

    labels = np.arange(600, dtype=np.int32) % 7
    image_shape = (8, 8, 3)

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, chosen: np.ndarray) -> np.ndarray:
        time.sleep(0.05)
        rows = [np.random.default_rng(int(number)).integers(0, 256, self.image_shape) for number in chosen]
        return np.stack(rows).astype(np.uint8)


class Read(NamedTuple):
    """How reading ended."""

    seconds: float
    digest: str | None
    """Of all batches in their order; None if it ended with an error."""
    error: str


def read_all(processes: int, *, kill: bool) -> Read:
    """Reads an epoch in a process of its own and, if wanted, kills one of its workers in the middle.

    Raises:
      TimeoutError: if it hangs.
    """
    command = [sys.executable, "-m", "tests.faults.loaders", str(processes), str(int(kill))]
    start = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        try:
            said, error = reader.communicate(timeout=SECONDS + 60)  # starting the workers takes a while too
        except subprocess.TimeoutExpired:
            reader.kill()
            raise TimeoutError(f"reading with {processes} processes hung") from None
    lines = said.splitlines()
    told: Any = json.loads(lines[-1]) if lines and not reader.returncode else {}
    after_kill = time.time() - float(lines[0].split()[1]) if kill and lines else time.monotonic() - start
    return Read(after_kill, told.get("digest"), error[-500:])


def _main(processes: int, kill: bool) -> None:
    split = data.Streamed(Slow(), tuple("abcdefg"), "made by hand")
    batches = data.make_batches(len(split), 12, 0)
    reading = data.Reading(threads=2, ahead=2, processes=processes)
    told = hashlib.sha256()
    for number, (images, labels) in enumerate(data.feed(split, batches, range(batches.per_epoch), reading)):
        told.update(images.tobytes() + labels.tobytes())
        if kill and number == 5:
            import psutil

            workers = psutil.Process().children(recursive=True)
            worker = next(child for child in workers if "resource_tracker" not in " ".join(child.cmdline()))
            worker.send_signal(signal.SIGKILL)
            print("killed", time.time(), flush=True)
    print(json.dumps({"digest": told.hexdigest()}), flush=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]), bool(int(sys.argv[2])))
