"""CIFAR-10 and CIFAR-100 as their binary files, in a folder or in the archive that they come in.

Reference: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
"""

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from fnn.data.files.foreign import Listing, climbs_out, list_folder, reading, size_of
from fnn.data.files.labelled import as_labels, make_source
from fnn.data.source import DataError, Source

FILES = "data_batch_1.bin … and test_batch.bin, or train.bin and test.bin, or their .tar.gz (CIFAR's binary version)"

ARCHIVE_LIMIT = 2**29
"""The most bytes an archive may unpack to; CIFAR's have 184 million."""

_MEMBER_LIMIT = 1000
_NAMES_LIMIT = 2**16
_SIDE, _CHANNELS = 32, 3
_PIXELS = _SIDE * _SIDE * _CHANNELS


@dataclass(frozen=True)
class _Layout:
    """One of the two sets."""

    name: str
    label_limits: tuple[int, ...]
    """How many values each byte before the pixels may take; the last byte is the label."""
    splits: Mapping[str, tuple[str, ...]]
    names_file: str

    @property
    def files(self) -> set[str]:
        return {file for files in self.splits.values() for file in files}


_LAYOUTS = (
    _Layout(
        "CIFAR-10",
        (10,),
        {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)},
        "batches.meta.txt",
    ),
    _Layout("CIFAR-100", (20, 100), {"train": ("train.bin",), "test": ("test.bin",)}, "fine_label_names.txt"),
)
_WANTED = {name for layout in _LAYOUTS for name in (*layout.files, layout.names_file)}


@dataclass(frozen=True, eq=False)
class Records:
    """Examples that lie as records of label bytes and three planes of 32×32 pixels, in one file or several."""

    parts: tuple[np.ndarray, ...]
    """Each `(records, label bytes + 3072)`, uint8; may be mapped."""
    labels: np.ndarray
    """`(examples,)`, int32."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(32, 32, 3)`."""
        return _SIDE, _SIDE, _CHANNELS

    def read(self, chosen: np.ndarray) -> np.ndarray:
        """Returns the chosen images, the three planes side by side as channels."""
        chosen = np.arange(len(self.labels))[chosen]  # refuses what does not exist
        ends = np.cumsum([len(part) for part in self.parts])
        part_of = np.searchsorted(ends, chosen, side="right")
        planes = np.empty((len(chosen), _PIXELS), np.uint8)
        for number, part in enumerate(self.parts):
            here = part_of == number
            planes[here] = part[chosen[here] - (ends[number] - len(part)), -_PIXELS:]
        return np.ascontiguousarray(planes.reshape(-1, _CHANNELS, _SIDE, _SIDE).transpose(0, 2, 3, 1))


def looks_like_cifar(listing: Listing) -> Sequence[str]:
    """Returns the files of a folder that are called like CIFAR's."""
    return [name for name in listing.files if any(name in layout.files for layout in _LAYOUTS)]


def is_archive(name: str) -> bool:
    """Says whether a file is called like a tar archive packed by gzip."""
    return name.lower().endswith((".tar.gz", ".tgz"))


def open_cifar(path: Path) -> Source:
    """Opens a folder of CIFAR's binary files, or their archive.

    Files in a folder are mapped; an archive is read into memory, member by member. The labels of CIFAR-100 are the
    fine ones. The names of the classes are numbers where the file that names them is missing.

    Args:
      path: of the folder or the `.tar.gz`.

    Raises:
      DataError: if files are missing, are not whole records, hold labels of no class; or if the archive is corrupt,
        holds more than CIFAR can, or has members that would land outside its own folder.
    """
    contents = _map_folder(path) if path.is_dir() else _read_archive(path)
    layouts = [layout for layout in _LAYOUTS if layout.files & contents.keys()]
    if len(layouts) != 1:
        raise DataError(
            f"{path}: expected the files of either CIFAR-10 or CIFAR-100, {FILES}, "
            f"got {'those of both' if layouts else 'none of them'}."
        )
    (layout,) = layouts
    splits = {}
    for split, files in layout.splits.items():
        missing = [file for file in files if file not in contents]
        # A folder may hold one split alone. An archive may not: tarfile takes a corrupt header for the end.
        if len(missing) == len(files) and path.is_dir():
            continue
        if missing:
            raise DataError(
                f"{path}: the split {split!r} of {layout.name} lacks {', '.join(missing)}; add what is missing."
            )
        read = [_as_records(contents[file], layout, f"{path}/{file}") for file in files]
        splits[split] = Records(tuple(part for part, _ in read), np.concatenate([labels for _, labels in read]))
    names = _class_names(contents, layout, path)
    return make_source(splits, names, f"{layout.name}, the binary files in {path}", path)


def _as_records(content: np.ndarray, layout: _Layout, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the records and their labels."""
    record = len(layout.label_limits) + _PIXELS
    if not len(content) or len(content) % record:
        raise DataError(
            f"{where}: expected records of {record} bytes, got {len(content)} bytes, which are "
            f"{len(content) // record} records and {len(content) % record} bytes more; "
            f"it is cut short or not {layout.name}."
        )
    records = content.reshape(-1, record)
    labels = np.empty(0, np.int32)
    for column, limit in enumerate(layout.label_limits):
        labels = as_labels(records[:, column], where, limit)
    return records, labels


def _class_names(contents: Mapping[str, np.ndarray], layout: _Layout, path: Path) -> list[str]:
    classes = layout.label_limits[-1]
    if layout.names_file not in contents:
        return [str(label) for label in range(classes)]
    content = contents[layout.names_file].tobytes()
    names = [line.strip() for line in content[:_NAMES_LIMIT].decode("utf-8", "replace").splitlines() if line.strip()]
    if len(set(names)) != len(names) or len(names) != classes or len(content) > _NAMES_LIMIT:
        raise DataError(
            f"{path}/{layout.names_file}: expected {classes} different class names, got {len(names)} lines."
        )
    return names


def _map_folder(folder: Path) -> dict[str, np.ndarray]:
    contents = {}
    for name in _WANTED.intersection(list_folder(folder).files):
        # An empty file cannot be mapped.
        empty = size_of(folder / name) == 0
        with reading(folder / name):
            contents[name] = np.empty(0, np.uint8) if empty else np.asarray(np.memmap(folder / name, mode="r"))
    return contents


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    """Reads the wanted members of an archive into memory, by the last part of their names."""
    size_of(path)
    contents = {}
    # As a stream ("r|"): it cannot be sent backwards by a negative size, and meets each byte once.
    with reading(path), path.open("rb") as file, gzip.GzipFile(fileobj=file) as unpacked:
        stream = _Limited(unpacked, path)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for number, member in enumerate(archive):
                name = _checked_name(member, number, path)
                if name not in _WANTED or member.isdir():
                    continue
                if name in contents:
                    raise DataError(f"{path}: expected one {name}, got two; which is right cannot be known.")
                content = archive.extractfile(member)
                assert content  # it is a regular file
                contents[name] = np.frombuffer(content.read(), np.uint8)
        while stream.read(2**20):  # to the end: there gz compares its checksum
            pass
    return contents


def _checked_name(member: tarfile.TarInfo, number: int, path: Path) -> str:
    if climbs_out(member.name):
        raise DataError(f"{path}: its member {member.name!r} would land outside its folder; do not trust this archive.")
    if not (member.isdir() or (member.isreg() and not member.issparse())):
        raise DataError(
            f"{path}: expected files and folders, got {member.name!r}, a link or a device; do not trust it."
        )
    if not 0 <= member.size <= ARCHIVE_LIMIT or number >= _MEMBER_LIMIT:
        raise DataError(
            f"{path}: expected up to {_MEMBER_LIMIT} members of up to {ARCHIVE_LIMIT} bytes, "
            f"got more at {member.name!r}."
        )
    return PureWindowsPath(member.name).name


class _Limited(io.RawIOBase):
    """The bytes that an archive unpacks to, until there are too many of them."""

    def __init__(self, stream: gzip.GzipFile, path: Path) -> None:
        self._stream, self._path, self._left = stream, path, ARCHIVE_LIMIT

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise DataError(f"{self._path}: unpacks to more than {ARCHIVE_LIMIT} bytes, which CIFAR does not.")
        return content
