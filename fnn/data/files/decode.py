"""One image file: what its header says, and its pixels.

Transparent pixels are laid over white, as pages show them: drawings on a transparent ground are mostly dark. 16 bits
become the upper 8. Of an animation the first picture is taken; a camera's note on how it was held (EXIF) is ignored.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fnn.data.files.foreign import size_of
from fnn.data.source import DataError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

PIXEL_LIMIT = 50_000_000
"""The most pixels an image may have: Pillow takes four bytes for each."""

_FILE_LIMIT = 2**28
_GREY_MODES = ("1", "L", "LA", "I;16", "I;16B")


class Look(NamedTuple):
    """What the header of an image says."""

    height: int
    width: int
    grey: bool


def look_at(path: Path) -> Look:
    """Reads the header of an image.

    Raises:
      DataError: if it is no PNG, JPEG or WebP, or too large.
    """
    with _opened(path) as image:
        return Look(image.height, image.width, _is_grey(image))


def decode(path: Path, shape: tuple[int, int, int], resize: bool) -> np.ndarray:
    """Reads the pixels of an image.

    Args:
      path: of the file.
      shape: `(height, width, channels)` of the result; one channel is grey, three are red, green and blue.
      resize: whether an image of another size is brought to this one (bilinear, averaging where it shrinks).

    Returns:
      `(height, width, channels)`, uint8.

    Raises:
      DataError: if the file is cut short, corrupt, or of another size where nothing is resized.
    """
    from PIL import Image

    height, width, channels = shape
    with _opened(path) as image:
        if not resize and (image.height, image.width) != (height, width):
            raise DataError(
                f"{path}: expected {height}×{width} pixels as when the folder was opened, "
                f"got {image.height}×{image.width}; open it anew."
            )
        if image.format == "PNG":
            _check_sums(path)
        image.load()
        flat = _flatten(image, path).convert("L" if channels == 1 else "RGB")
        if resize:
            flat = flat.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(flat).reshape(shape)


@contextmanager
def _opened(path: Path) -> Iterator["Image.Image"]:
    from PIL import Image, ImageFile

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise DataError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set by other code: images that are cut short would be filled with "
            "grey. Set it back to False."
        )
    if size_of(path) > _FILE_LIMIT:
        raise DataError(
            f"{path}: expected an image of up to {_FILE_LIMIT} bytes, got {size_of(path)}; make it smaller."
        )
    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            if not 1 <= image.height * image.width <= PIXEL_LIMIT:
                raise _too_large(path, f"{image.height}×{image.width}")
            yield image
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, "many more") from error
    except Exception as error:  # Pillow's readers raise whatever they meet: SyntaxError, struct.error, KeyError, …
        reason = "it is none of these" if isinstance(error, Image.UnidentifiedImageError) else str(error).rstrip(".")
        raise DataError(f"{path}: cannot be read as PNG, JPEG or WebP, {reason}; replace or remove it.") from error


def _too_large(path: Path, got: str) -> DataError:
    return DataError(f"{path}: expected an image of up to {PIXEL_LIMIT} pixels, got {got}; make it smaller.")


def _is_grey(image: "Image.Image") -> bool:
    if image.mode == "P" and image.palette is not None:
        mode, entries = image.palette.getdata()
        return mode == "RGB" and entries[0::3] == entries[1::3] == entries[2::3]
    return image.mode in _GREY_MODES


def _check_sums(path: Path) -> None:
    """Compares the checksums in a PNG, which Pillow does not when it decodes: pixels may be wrong without a word."""
    from PIL import Image

    with path.open("rb") as file, Image.open(file, formats=("PNG",)) as image:
        image.verify()


def _flatten(image: "Image.Image", path: Path) -> "Image.Image":
    """Returns an image of 8 bits without transparency."""
    from PIL import Image

    if image.mode in ("I;16", "I;16B"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DataError(f"{path}: expected 8 or 16 bits a pixel, got Pillow's mode {image.mode}; store it with 8.")
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque
    return image
