"""The digests of a directory's files, by which any change to any byte of it is noticed.

The manifest is written last and looks like the output of `sha256sum`: a line of digest, size and name for each file,
and at the end the digest of those lines. A directory is whole if writing its manifest again gives the same bytes.
"""

import hashlib
import os
from pathlib import Path

from fnn.train.checkpoint.errors import DamagedError

MANIFEST = "manifest.sha256"


def seal(directory: Path) -> None:
    """Makes sure that all files of a directory are on the disk, and writes its manifest, which is so too.

    Raises:
      OSError: if the disk does not take it.
    """
    for path in directory.rglob("*"):
        synchronize(path)
    with (directory / MANIFEST).open("x") as file:
        file.write(_manifest_of(directory))
        file.flush()
        os.fsync(file.fileno())
    synchronize(directory)


def verify(directory: Path) -> None:
    """Compares each file of a directory with its manifest.

    Raises:
      DamagedError: if a byte, a file or the manifest is not as it was written; the message names the file.
    """
    manifest = directory / MANIFEST
    try:
        written = manifest.read_bytes()
    except OSError as error:
        raise DamagedError(f"{manifest} cannot be read ({error.strerror}): it was never finished.") from error
    try:
        found = _manifest_of(directory)
    except OSError as error:
        raise DamagedError(f"{error.filename or directory} cannot be read: {error.strerror}.") from error
    if found.encode() == written:
        return
    claimed, actual = _entries(written.decode(errors="replace")), _entries(found)
    for name in sorted(claimed.keys() | actual.keys()):
        path = directory / name
        if name not in actual:
            raise DamagedError(f"{path} is missing, or {MANIFEST} beside it is damaged.")
        if name not in claimed:
            raise DamagedError(f"{path} is not in {MANIFEST}: it does not belong there, or that is damaged.")
        if claimed[name] != actual[name]:
            raise DamagedError(f"{path} is not as it was written: {_difference(claimed[name], actual[name])}.")
    raise DamagedError(f"{manifest} is damaged.")


def synchronize(path: Path) -> None:
    """Waits until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest_of(directory: Path) -> str:
    lines = []
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if name == MANIFEST or path.is_dir():
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(f"{digest} {file.tell():>14} {name}\n")
    body = "".join(lines)
    return body + f"{hashlib.sha256(body.encode()).hexdigest()} {len(lines):>14} files above\n"


def _entries(manifest: str) -> dict[str, tuple[str, str]]:
    """Returns digest and size by name; of a damaged manifest, whatever can be read."""
    parts = [line.split(maxsplit=2) for line in manifest.splitlines()[:-1]]
    return {part[2]: (part[0], part[1]) for part in parts if len(part) == 3}


def _difference(claimed: tuple[str, str], actual: tuple[str, str]) -> str:
    if claimed[1] != actual[1]:
        return f"{actual[1]} bytes instead of {claimed[1]}"
    return "other bytes of the same number"
