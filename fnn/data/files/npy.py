"""One array as NumPy stores it: its header is read and compared with the file before the array is.

NumPy's own reader would do for files of one's own. This one knows no pickles, allocates nothing that the file does not
hold, and names the file in each error.

Reference: NumPy enhancement proposal 1, "A simple file format for NumPy arrays".
"""

import ast
import re
from math import prod
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from fnn.data.files.foreign import reading, size_of, unpack
from fnn.data.source import DataError

_MAGIC = b"\x93NUMPY"
_HEADER_LIMIT = 10_000  # NumPy's own
_START = _HEADER_LIMIT + 12
_NUMBERS = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248])")


class Header(NamedTuple):
    """What is known of an array before it is read."""

    dtype: np.dtype
    shape: tuple[int, ...]
    order: str
    """`"C"` or `"F"`."""
    offset: int
    """Where the values start."""

    @property
    def nbytes(self) -> int:
        """The size of the values."""
        return prod(self.shape) * self.dtype.itemsize


def npy_header(path: Path) -> Header:
    """Reads the header of a `.npy` file.

    Raises:
      DataError: if it is none, holds no numbers, or fewer or more than its header says.
    """
    size = size_of(path)
    with reading(path), path.open("rb") as file:
        return _checked(_parse(file.read(_START), path), size, path)


def map_npy(path: Path, header: Header) -> np.ndarray:
    """Maps the array of a `.npy` file into memory; nothing is read yet."""
    with reading(path):
        order = "F" if header.order == "F" else "C"
        return np.asarray(np.memmap(path, header.dtype, "r", header.offset, header.shape, order))


def member_header(archive: ZipFile, member: ZipInfo, where: str) -> Header:
    """Reads the header of one array in a `.npz` file.

    Raises:
      DataError: as `npy_header`; or if the member is packed by another method than NumPy's.
    """
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or member.flag_bits & 1:
        raise DataError(f"{where}: is encrypted or packed by a method that NumPy does not use; save it by np.savez.")
    if member.compress_type == ZIP_STORED and member.compress_size != member.file_size:
        raise DataError(f"{where}: is not packed, but of two different sizes; it is corrupt, fetch it anew.")
    with reading(where), archive.open(member) as stream:
        return _checked(_parse(stream.read(_START), where), member.file_size, where)


def read_member(archive: ZipFile, member: ZipInfo, header: Header, where: str) -> np.ndarray:
    """Reads one array of a `.npz` file whose header is known.

    Raises:
      DataError: if it is cut short, corrupt, or too large for memory.
    """
    with reading(where), archive.open(member) as stream:
        whole = unpack(stream, header.offset + header.nbytes, member.compress_size, where)  # pyright: ignore[reportArgumentType]
    order = "F" if header.order == "F" else "C"
    return whole[header.offset :].view(header.dtype).reshape(header.shape, order=order)


def _parse(start: bytes, where: object) -> Header:
    if start[: len(_MAGIC)] != _MAGIC or len(start) < 12:
        raise DataError(f"{where}: expected an array as numpy.save stores it, got {start[:6].hex(' ') or 'nothing'}.")
    # Version 1 has two bytes for the length of the header, the later ones four.
    at = 10 if start[6] == 1 else 12
    end = at + int.from_bytes(start[8:at], "little")
    if start[6] not in (1, 2, 3) or end > len(start) or end - at > _HEADER_LIMIT:
        raise DataError(
            f"{where}: expected the header of an array, got none; it is cut short or corrupt, fetch it anew."
        )
    try:
        fields = ast.literal_eval(start[at:end].decode("utf-8"))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise DataError(f"{where}: its header makes no sense; it is corrupt, fetch it anew.") from error
    return _of_fields(fields, end, where)


def _of_fields(fields: object, offset: int, where: object) -> Header:
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise DataError(
            f"{where}: its header should tell descr, fortran_order and shape; it is corrupt, fetch it anew."
        )
    kind, shape = fields["descr"], fields["shape"]
    if isinstance(kind, str) and "O" in kind:
        raise DataError(
            f"{where}: holds Python objects, which are pickled; unpickling runs whatever its author likes, so it is "
            "never done here. Store plain numbers: images of one size as one uint8 array, labels as integers."
        )
    if not isinstance(kind, str) or not _NUMBERS.fullmatch(kind):
        raise DataError(f"{where}: expected an array of numbers, got {str(kind)[:80]!r}.")
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(side) is int and side >= 0 for side in shape):
        raise DataError(f"{where}: expected a shape of up to 8 sizes, got {str(shape)[:80]!r}.")
    if 0 in shape:
        raise DataError(f"{where}: expected an array that holds something, got shape {shape}.")
    return Header(np.dtype(kind), shape, "F" if fields["fortran_order"] else "C", offset)


def _checked(header: Header, size: int, where: object) -> Header:
    if header.offset + header.nbytes != size:
        raise DataError(
            f"{where}: its header promises {header.offset + header.nbytes} bytes for {header.dtype} {header.shape}, "
            f"got {size}; it is cut short or corrupt, fetch it anew."
        )
    return header
