"""Foreign files: looked at before they are opened, and never given more memory than their own size is worth."""

import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from tarfile import TarError
from zipfile import BadZipFile

import numpy as np

from fnn.data.source import DataError

UNPACKED_LIMIT = 4 * 2**30
"""The most bytes that one packed array may unpack to: it has to fit into memory, a plain one is mapped."""

DEFLATE_RATIO = 1032
"""Deflate, the method of gz and zip, packs no more than this many bytes into one."""

_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "icon\r"}


@dataclass(frozen=True)
class Listing:
    """What lies in a folder, by name and sorted; hidden files and what file managers leave behind is not told."""

    files: tuple[str, ...]
    folders: tuple[str, ...]


def list_folder(path: Path) -> Listing:
    """Lists a folder.

    Raises:
      DataError: if it cannot be listed, or holds what is neither file nor folder (a pipe, a link to nowhere).
    """
    files, folders = [], []
    with reading(path), os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in _JUNK:
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif entry.is_file():
                files.append(entry.name)
            else:
                raise DataError(f"{entry.path}: expected a file or a folder, got neither (a broken link?); remove it.")
    return Listing(tuple(sorted(files)), tuple(sorted(folders)))


def size_of(path: Path) -> int:
    """Returns the size of a file in bytes.

    Raises:
      DataError: if there is none, or it is no regular file: opening a pipe would wait for ever.
    """
    with reading(path):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: expected a file, got a folder, pipe or device.")
    return status.st_size


@contextmanager
def reading(where: object) -> Iterator[None]:
    """Turns everything that the readers of files and archives raise into an error that names the file."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{where}: there is no such file; check the path.") from error
    # tarfile and zipfile let through what their parsing meets: struct's and int's errors, recursion, unknown methods.
    except (OSError, EOFError, zlib.error, TarError, BadZipFile) as error:
        raise DataError(
            f"{where}: cannot be read, {_reason(error)}; is it cut short or corrupt? Fetch it anew."
        ) from error
    except (ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        raise DataError(f"{where}: its bytes make no sense, {_reason(error)}; fetch it anew.") from error


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (reason or type(error).__name__).rstrip(".")


def climbs_out(member: str) -> bool:
    """Says whether an archive's member would land outside of the folder that it is unpacked in, on any system."""
    path = PureWindowsPath(member)  # knows both kinds of slashes, and drives
    return bool(path.anchor) or ".." in path.parts or ":" in member.partition("/")[0]


def unpack(stream: io.BufferedIOBase, size: int, packed: int, where: object) -> np.ndarray:
    """Unpacks a stream, or the rest of one, whose size is known from a header.

    Args:
      stream: gives the bytes.
      size: how many there must be; one more is an error.
      packed: the size of the packed file or member.
      where: what to call it in errors.

    Returns:
      `(size,)`, uint8.

    Raises:
      DataError: if there are fewer or more bytes, or more than can come from `packed` ones or fit into memory.
    """
    if size > packed * DEFLATE_RATIO + DEFLATE_RATIO:
        raise DataError(
            f"{where}: its header promises {size} bytes, but the {packed} packed bytes cannot hold that many; "
            "it is corrupt, fetch it anew."
        )
    if size > UNPACKED_LIMIT:
        raise DataError(
            f"{where}: unpacks to {size} bytes, more than the {UNPACKED_LIMIT} allowed; if you trust it, unpack it "
            "(arrays: numpy.save each into a .npy file): plain files are mapped and need no memory."
        )
    whole = np.empty(size, np.uint8)
    rest = whole.data
    with reading(where):
        while len(rest):
            # In pieces: a reader that cannot fill the whole makes a second copy of what it gives at once.
            got = stream.readinto(rest[: 2**20])
            if not got:
                raise _wrong_size(where, size, f"{size - len(rest)}")
            rest = rest[got:]
        if stream.read(1):  # also where gz and zip compare their checksum
            raise _wrong_size(where, size, "more")
    return whole


def _wrong_size(where: object, size: int, got: str) -> DataError:
    return DataError(
        f"{where}: its header promises {size} bytes, got {got}; it is cut short or corrupt, fetch it anew."
    )
