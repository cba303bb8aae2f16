"""One function for all data sets."""

from pathlib import Path

from fnn.data.digits import open_digits
from fnn.data.selection import select
from fnn.data.source import DataError, Source
from fnn.data.split import Split, Streamed

DATA_DIR = Path("~/tensorflow_datasets")
"""Where TensorFlow Datasets' sets lie unless told otherwise."""

MEMORY = 4 << 30
"""Bytes of images that `load` takes into memory unless told otherwise."""


def open_source(
    name_or_folder: str | Path,
    *,
    data_dir: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    seed: int = 0,
) -> Source:
    """Finds a data set without reading its images.

    Args:
      name_or_folder: `"digits"`, embedded; a name of TensorFlow Datasets, such as `"mnist"`, `"cifar10"` or
        `"emnist/letters"`, prepared in `data_dir`; or a path: of a directory that TensorFlow Datasets prepared, of IDX,
        CIFAR binary or NumPy files, or of a folder with a subfolder of images for each class.
      data_dir: where TensorFlow Datasets' sets lie; `~/tensorflow_datasets` by default.
      image_size: `(height, width)` to which images are resized, for sets whose images differ in size.
      seed: of the cut of the digits, which come whole, into splits.

    Raises:
      DataError: if the set is not there, naming what to do, or a file is not what it should be.
    """
    path = Path(name_or_folder).expanduser()
    if str(name_or_folder) == "digits":
        return open_digits(seed)
    if path.exists() and not (path / "dataset_info.json").exists():
        from fnn.data.files import open_folder  # with what it needs to read images

        return open_folder(path, image_size)
    if not path.exists() and (path.is_absolute() or str(name_or_folder).startswith((".", "~"))):
        raise DataError(f"{name_or_folder} does not exist.")
    from fnn.data.tfds import open_tfds  # takes seconds, so late

    place = DATA_DIR if data_dir is None else Path(data_dir)
    return open_tfds(str(path) if path.exists() else str(name_or_folder), place, image_size)


def load(
    name_or_folder: str | Path,
    split: str,
    *,
    data_dir: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    seed: int = 0,
    memory: int = MEMORY,
) -> Split:
    """Loads examples of a data set into memory.

    Args:
      name_or_folder: as for `open_source`.
      split: which examples: a split, a slice of one or several joined, in the syntax of TensorFlow Datasets:
        `"train"`, `"train[:90%]"`, `"train[-1000:]+test"`.
      data_dir: as for `open_source`.
      image_size: as for `open_source`.
      seed: as for `open_source`. Runs with different seeds of their own are compared on the same test split.
      memory: how many bytes of images to take into memory at most; what is larger can be streamed, see `stream`.

    Raises:
      DataError: as `open_source`, or if the images do not fit.
      ValueError: if there is no such split, or the selection is empty or holds an example twice.
    """
    streamed = stream(name_or_folder, split, data_dir=data_dir, image_size=image_size, seed=seed)
    if streamed.nbytes > memory:
        raise DataError(
            f"{split} of {name_or_folder} has {streamed.nbytes / 2**30:.1f} GiB of images, "
            f"more than the {memory / 2**30:.1f} GiB that may be in memory; allow more, take a slice, or "
            "stream it (fnn.data.stream)."
        )
    return streamed.in_memory()


def stream(
    name_or_folder: str | Path,
    split: str,
    *,
    data_dir: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    seed: int = 0,
) -> Streamed:
    """Opens examples of a data set of any size, whose images are read as they are needed.

    Trained on, it gives the same batches in the same order as `load` of the same examples.

    Args:
      name_or_folder: as for `open_source`.
      split: as for `load`.
      data_dir: as for `open_source`.
      image_size: as for `open_source`.
      seed: as for `open_source`.

    Raises:
      DataError: as `open_source`.
      ValueError: as `load`.
    """
    source = open_source(name_or_folder, data_dir=data_dir, image_size=image_size, seed=seed)
    return choose(source, split)


def choose(source: Source, split: str) -> Streamed:
    """Takes examples of a source whose images are read as they are needed.

    Raises:
      ValueError: as `load`.
    """
    return Streamed(select(source.splits, split), source.class_names, source.description)
