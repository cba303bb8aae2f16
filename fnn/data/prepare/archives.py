"""Unpacking of somebody else's archives: known members only, never by the names that the archive gives."""

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, cast

from fnn.data.files.foreign import climbs_out
from fnn.data.source import DataError

_BLOCK = 1 << 20
_MOST_BESIDE = 16 << 20
"""How many bytes an archive may have beside the members that are asked for: read-me files, the tar's headers."""


def unpack(archive: Path, members: Mapping[str, int], folder: Path) -> None:
    """Copies the members that are asked for to `folder`, which gets the names of `members` and no others.

    Args:
      archive: a tar, tar.gz or zip file.
      members: how many bytes each may have, by name within the archive.
      folder: where to, not there yet.

    Raises:
      DataError: if the archive is damaged, a member leaves its folder or is a link, is larger than it may be, is
        missing or is there twice.
    """
    try:
        found = (
            _unpack_zip(archive, members, folder)
            if zipfile.is_zipfile(archive)
            else _unpack_tar(archive, members, folder)
        )
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, NotImplementedError) as error:
        raise DataError(f"{archive} is cut short or damaged: {error}. Fetch it anew.") from error
    except RuntimeError as error:  # zipfile's word for an encrypted member
        raise DataError(f"{archive} cannot be unpacked: {error}.") from error
    missing = [name for name in members if name not in found]
    if missing:
        raise DataError(f"{archive} has no member {missing[0]}.")


def _unpack_tar(archive: Path, members: Mapping[str, int], folder: Path) -> set[str]:
    found: set[str] = set()
    with _open_stream(archive) as stream:
        limited = _Limited(archive, stream, sum(members.values()) + _MOST_BESIDE)
        # As a stream ("r|"), so that each byte is unpacked once and nothing is sought in the file.
        with tarfile.open(fileobj=cast(IO[bytes], limited), mode="r|") as tar:
            for member in tar:
                name = _checked_name(archive, member.name)
                if member.isdir():
                    continue
                if not member.isreg():
                    raise DataError(f"{archive}: its member {member.name!r} is a link or a device, not a file.")
                if name in members:
                    _check_member(archive, name, member.size, members[name], found)
                    file = tar.extractfile(member)
                    assert file is not None  # it is a regular file
                    _copy(archive, name, file, members[name], folder)
                    found.add(name)
    return found


def _unpack_zip(archive: Path, members: Mapping[str, int], folder: Path) -> set[str]:
    found: set[str] = set()
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            name = _checked_name(archive, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise DataError(f"{archive}: its member {member.filename!r} is a link, not a file.")
            if member.is_dir() or name not in members:
                continue
            _check_member(archive, name, member.file_size, members[name], found)
            with packed.open(member) as file:
                _copy(archive, name, file, members[name], folder)
            found.add(name)
    return found


def _open_stream(archive: Path) -> IO[bytes]:
    with archive.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(archive)) if compressed else archive.open("rb")


def _checked_name(archive: Path, name: str) -> str:
    if climbs_out(name):
        raise DataError(f"{archive}: its member {name!r} leads out of the folder; the archive is not to be trusted.")
    return str(PurePosixPath(name.replace("\\", "/")))


def _check_member(archive: Path, name: str, size: int, most: int, found: set[str]) -> None:
    if name in found:
        raise DataError(f"{archive} has its member {name} twice.")
    if size > most:
        raise DataError(f"{archive}: its member {name} has {size} bytes, at most {most} belong there.")


def _copy(archive: Path, name: str, file: IO[bytes], most: int, folder: Path) -> None:
    """Copies at most `most` bytes, whatever the header said."""
    # The name is one of `members`, ours, and not the archive's.
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    left = most
    with target.open("xb") as copy:
        while block := file.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise DataError(f"{archive}: its member {name} goes on after {most} bytes.")
            copy.write(block)


class _Limited:
    """A stream that refuses to give more than `most` bytes: a small file can unpack to any size."""

    def __init__(self, archive: Path, stream: IO[bytes], most: int) -> None:
        self.archive, self.stream, self.left, self.most = archive, stream, most, most

    def read(self, size: int) -> bytes:
        block = self.stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise DataError(f"{self.archive} unpacks to more than {self.most} bytes: it is not the original.")
        return block
