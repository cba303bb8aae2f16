"""A checkpoint is cut short, flipped bit by bit, deleted from and rearranged; it must never be loaded as if whole."""

import itertools
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnn.train.checkpoint import DamagedError, Snapshot, Store
from fnn.train.checkpoint.arrays import write_arrays
from fnn.train.checkpoint.manifest import MANIFEST, seal

OLD, NEW = 1, 2


class Damages(NamedTuple):
    """What came of damaged checkpoints."""

    tried: dict[str, int]
    """How many of each kind."""
    noticed: int
    """How often the damage was noticed, and the checkpoint before it taken instead."""
    faults: list[str]


def damage_checkpoints(directory: Path, *, every_bytes: int = 1024, flips: int = 1000, seed: int = 0) -> Damages:
    """Damages the newer of two checkpoints in many ways, one at a time.

    Args:
      directory: an empty one.
      every_bytes: each file is cut at every multiple of that, and at one byte less than its length.
      flips: how many single bits are flipped, spread over all files by their sizes.
      seed: of the bits.
    """
    store = Store(directory / "checkpoints")
    store.directory.mkdir()
    rng = np.random.default_rng(seed)
    for step in (OLD, NEW):
        # Two arrays of equal shape, so that they could be taken for each other.
        arrays = {name: rng.standard_normal((40, 50), np.float32) for name in ("params/a", "params/b")}
        store.write(Snapshot(step, arrays | {"step": np.asarray(step, np.int32)}, {}, {}))
    newest = store.path(NEW)
    whole = {path: path.read_bytes() for path in sorted(newest.rglob("*")) if path.is_file()}
    tried: dict[str, int] = {}
    noticed, faults = 0, []

    def attempt(kind: str, what: str, damage: Callable[[], None]) -> None:
        nonlocal noticed
        damage()
        tried[kind] = tried.get(kind, 0) + 1
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                found = store.newest()
                if found and found.step == OLD and len(warned) == 1 and str(newest) in str(warned[0].message):
                    noticed += 1
                else:
                    faults.append(f"{kind} {what}: step {found and found.step}, {[str(w.message) for w in warned]}")
            except DamagedError as error:
                faults.append(f"{kind} {what}: {error}")
        for path in newest.rglob("*"):
            if path.is_file() and path not in whole:
                path.unlink()
        for path, content in whole.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    for path, content in whole.items():
        for length in sorted({*range(0, len(content), every_bytes), len(content) - 1}):
            attempt("truncation", f"{path.name} to {length}", lambda p=path, c=content, n=length: _write(p, c[:n]))
        attempt("deletion", path.name, path.unlink)
        attempt("file too long", path.name, lambda p=path, c=content: _write(p, c + b"\0"))
    bits = random.Random(seed).choices(
        [(path, i) for path, content in whole.items() for i in range(8 * len(content))], k=flips
    )
    for path, bit in bits:
        flipped = bytearray(whole[path])
        flipped[bit // 8] ^= 1 << bit % 8
        attempt("bit flip", f"{path.name} bit {bit}", lambda p=path, c=bytes(flipped): _write(p, c))
    names = list(whole)
    for one, other in itertools.pairwise(names):
        if whole[one] != whole[other]:
            attempt("files swapped", f"{one.name}, {other.name}", lambda a=one, b=other: _swap(a, b, whole))
    for path in whole:
        other = store.path(OLD) / path.relative_to(newest)
        if other.exists() and other.read_bytes() != whole[path]:
            attempt("file of another checkpoint", path.name, lambda p=path, o=other: _copy(o, p))
    attempt("foreign file", "extra", lambda: _write(newest / "extra", b"x"))
    attempt("arrays exchanged", "params/a and params/b", lambda: _exchange_arrays(newest))
    return Damages(tried, noticed, faults)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _swap(one: Path, other: Path, whole: dict[Path, bytes]) -> None:
    one.write_bytes(whole[other])
    other.write_bytes(whole[one])


def _exchange_arrays(checkpoint: Path) -> None:
    """Lets Orbax give each array's content for the other's, under a manifest that is right."""
    snapshot = Store(checkpoint.parent).read(NEW)
    first, second, *rest = snapshot.arrays.values()
    shutil.rmtree(checkpoint / "arrays")
    write_arrays(checkpoint / "arrays", [second, first, *rest])
    (checkpoint / MANIFEST).unlink()
    seal(checkpoint)
