"""What a folder or file is, by looking."""

from pathlib import Path

from fnn.data.files import arrays, cifar, idx, images
from fnn.data.files.foreign import list_folder
from fnn.data.source import DataError, Source

_UNDERSTOOD = "".join(f"\n  {files}" for files in (idx.FILES, cifar.FILES, arrays.FILES, images.FILES))


def open_folder(path: str | Path, image_size: tuple[int, int] | None = None) -> Source:
    """Opens the data set in a folder, or in one file, whatever its format.

    Understood are IDX (`fnn/data/files/idx.py`), CIFAR's binary files and their `.tar.gz` (`cifar.py`), NumPy's
    `.npz` and `.npy` (`arrays.py`), and one subfolder of PNG, JPEG or WebP images a class (`images.py`).

    Args:
      path: of the folder, or of a `.npz` or `.tar.gz` file.
      image_size: `(height, width)` that images in files of their own are brought to.

    Returns:
      The splits. Packed ones (gz, tar.gz, npz) are in memory; the others are read when they are asked for.

    Raises:
      DataError: if it is none of these, or several at once; if what it is is broken; if `image_size` is another than
        that of images that are not resized.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"{path}: there is no such folder or file; check the path.")
    if path.is_dir():
        return _open_directory(path, image_size)
    if cifar.is_archive(path.name):
        return _of_size(cifar.open_cifar(path), image_size, path)
    if path.suffix.lower() == ".npz":
        return _of_size(arrays.open_arrays(path), image_size, path)
    raise DataError(f"{path}: expected a folder, a .npz or a .tar.gz file; understood are{_UNDERSTOOD}")


def _open_directory(folder: Path, image_size: tuple[int, int] | None) -> Source:
    listing = list_folder(folder)
    found = {
        "IDX files": idx.looks_like_idx(listing),
        "CIFAR's binary files": cifar.looks_like_cifar(listing),
        "NumPy arrays": arrays.looks_like_arrays(listing),
        "folders of images": images.looks_like_images(folder, listing),
    }
    formats = [name for name, files in found.items() if files]
    if len(formats) > 1:
        told = " and ".join(f"{name} ({', '.join(found[name][:3])})" for name in formats)
        raise DataError(f"{folder}: expected one data set, got {told}; move all but one elsewhere.")
    # What often lies about beside other things counts only where there is nothing else.
    archives = [name for name in listing.files if cifar.is_archive(name)]
    if formats == ["folders of images"] or (not formats and any(map(images.is_image, listing.files))):
        return images.open_images(folder, image_size)
    if formats == ["IDX files"]:
        return _of_size(idx.open_idx(folder), image_size, folder)
    if formats == ["NumPy arrays"]:
        return _of_size(arrays.open_arrays(folder), image_size, folder)
    if formats == ["CIFAR's binary files"]:
        return _of_size(cifar.open_cifar(folder), image_size, folder)
    if len(archives) == 1:
        return _of_size(cifar.open_cifar(folder / archives[0]), image_size, folder)
    names = [*(f"{name}/" for name in listing.folders), *listing.files]
    told = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    pickles = ""
    if any(name.endswith((".pkl", ".pickle")) or name in ("data_batch_1", "batches.meta") for name in listing.files):
        pickles = "\nPickles are never read: take the binary version of CIFAR, or store arrays by numpy.savez."
    raise DataError(f"{folder}: holds no data set, but {told or 'nothing'}; understood are{_UNDERSTOOD}{pickles}")


def _of_size(source: Source, image_size: tuple[int, int] | None, path: Path) -> Source:
    height, width, _ = next(iter(source.splits.values())).image_shape
    if image_size not in (None, (height, width)):
        raise DataError(
            f"{path}: its images have {height}×{width} pixels and only images in files of their own are resized, "
            f"got image_size {image_size}; leave it out."
        )
    return source
