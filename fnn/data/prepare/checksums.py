"""Whether a file is the original that TFDS has the checksum of."""

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import IO, Any

from fnn.data.source import DataError

UNPACKED = {
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609": (
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c": (
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6": (
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6": (
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
"""The size and SHA-256 of what is in a gz file, by the SHA-256 that TFDS has of the gz file: MNIST's four.

MNIST is often handed on unpacked, or packed anew; its contents are the original's nevertheless.
"""

_BLOCK = 1 << 20


def check_packed(path: Path, registered: Any) -> str:
    """Checks a file that has its original's name.

    Args:
      path: the file.
      registered: TFDS's `UrlInfo`: `size` and `checksum` (SHA-256).

    Returns:
      What was found, in words.

    Raises:
      DataError: if it is another file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = _sha256(file, size) if size == registered.size else None
    if digest == registered.checksum:
        return "has the checksum that TFDS registers"
    if registered.checksum in UNPACKED:
        try:
            with gzip.open(path) as file:
                if _is_original(file, registered.checksum):
                    return "was packed anew, its content is the original's"
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{path} is cut short or damaged: {error}. Fetch it anew.") from error
    found = f"{size} bytes" if digest is None else f"SHA-256 {digest}"
    expected = f"{int(registered.size)} bytes" if digest is None else f"SHA-256 {registered.checksum}"
    raise DataError(
        f"{path} is not the original: it has {found}, the original {expected}. Fetch it anew; if you know that its "
        "content is right, unpack it: files that are not packed are checked by their form alone."
    )


def check_unpacked(path: Path, registered: Any) -> str:
    """Checks what can be checked of a file that was unpacked already; as `check_packed`.

    Raises:
      DataError: if the content is known and is another.
    """
    if registered.checksum not in UNPACKED:
        return "is unpacked: TFDS registers no checksum of that, only its form can be checked"
    with path.open("rb") as file:
        if _is_original(file, registered.checksum):
            return "is unpacked, its content is the original's"
    raise DataError(f"{path} is not the original, its content is another ({path.stat().st_size} bytes). Fetch it anew.")


def _is_original(unpacked: IO[bytes] | gzip.GzipFile, checksum: str) -> bool:
    size, digest = UNPACKED[checksum]
    return _sha256(unpacked, size) == digest


def _sha256(file: IO[bytes] | gzip.GzipFile, most: int) -> str | None:
    """Returns the digest of a whole file, None if it goes on after `most` bytes."""
    digest, left = hashlib.sha256(), most
    while block := file.read(min(_BLOCK, left + 1)):
        left -= len(block)
        if left < 0:
            return None
        digest.update(block)
    return digest.hexdigest()
