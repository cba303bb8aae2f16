"""Prepares a set with TFDS's own builder, and puts it in place whole or not at all."""

import contextlib
import difflib
import fcntl
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fnn.data.prepare.network import fetch_from_network
from fnn.data.prepare.originals import Originals, fetch_from_folder
from fnn.data.prepare.recipes import RECIPES
from fnn.data.source import DataError

_WORKPLACE = ".fnn_preparing"
"""Where a set is made, within `data_dir` so that a rename puts it in place; what is left of it is removed."""


def prepare(name: str, data_dir: Path, from_dir: Path | None = None, say: Callable[[str], None] = print) -> Path:
    """Makes the directory of a set as TFDS would, in the format array_record, without TensorFlow.

    Args:
      name: a key of `RECIPES`, with a config where the set has some: `"mnist"`, `"emnist/letters"`.
      data_dir: TFDS's `data_dir`: the set comes to lie in `data_dir/NAME/[CONFIG/]VERSION`.
      from_dir: the folder with the originals; None downloads them into `data_dir/downloads`.
      say: is told what is being done, in lines.

    Returns:
      The set's directory; one that is there already is left as it is.

    Raises:
      DataError: if there is no such set, an original is missing or not what it should be, or nothing can be written.
    """
    data_dir = data_dir.expanduser().resolve()
    builder = _stock_builder(name, data_dir)
    place = Path(builder.data_dir)
    if (place / "dataset_info.json").is_file():
        say(f"{place} is prepared already; nothing was done.")
        return place
    if place.exists():
        raise DataError(f"{place} is there, but is no prepared set (it has no dataset_info.json). Move it away first.")
    try:
        with _workplace(data_dir) as workplace:
            _make(name, workplace, data_dir, from_dir, say)
            _put_in_place(workplace, place)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{error.filename or data_dir} cannot be written: {error.strerror or error}.") from error
    except RuntimeError as error:  # array_record's word for a full disk
        raise DataError(f"{place} cannot be written: {error}.") from error
    return place


def _stock_builder(name: str, data_dir: Path) -> Any:
    set_name, _, config = name.partition("/")
    if set_name not in RECIPES:
        near = difflib.get_close_matches(set_name, RECIPES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(f"no set {set_name!r} can be prepared here; {hint}there are {', '.join(RECIPES)}.")
    import tensorflow_datasets as tfds  # late: it takes a second

    kind = tfds.builder_cls(set_name)
    configs = list(kind.builder_configs)
    if config and config not in configs:
        there_are = f"it has {', '.join(configs)}" if configs else "it has none"
        raise DataError(f"{set_name} has no config {config!r}; {there_are}.")
    return kind(data_dir=os.fspath(data_dir), config=config or None)


@contextlib.contextmanager
def _workplace(data_dir: Path) -> Iterator[Path]:
    """Gives an empty folder that no other process uses, and removes it whatever happens."""
    data_dir.mkdir(parents=True, exist_ok=True)
    workplace = data_dir / _WORKPLACE
    lock = os.open(data_dir, os.O_RDONLY)  # the lock ends with the process: what a killed one left can be removed
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"another process is preparing a set in {data_dir}; wait until it is done.") from error
        if workplace.exists():
            shutil.rmtree(workplace)
        workplace.mkdir()
        try:
            yield workplace
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
    finally:
        os.close(lock)


def _make(name: str, workplace: Path, data_dir: Path, from_dir: Path | None, say: Callable[[str], None]) -> None:
    """Runs TFDS's builder, its TensorFlow parts replaced, so that it writes into the workplace."""
    import tensorflow_datasets as tfds

    recipe = RECIPES[name.partition("/")[0]]
    builder = _stock_builder(name, workplace)
    members = recipe.members(builder)
    registered = builder.url_infos
    download_dir = data_dir / "downloads"
    doubts: list[DataError] = []

    def manager(**arguments: Any) -> Originals:
        if from_dir is None:
            make_stock = functools.partial(type(builder)._make_download_manager, builder, **arguments)
            fetch = fetch_from_network(make_stock, registered, download_dir)
        else:
            fetch = fetch_from_folder(Path(from_dir).expanduser(), registered, members, workplace, say, doubts)
        size = sum(int(info.size) for info in registered.values())
        check = functools.partial(recipe.check, builder) if recipe.check else None
        return Originals(fetch, members, workplace, size, check)

    # The instance is changed, not the class: TFDS writes the class's name and module into the set.
    builder._generate_examples = functools.partial(recipe.examples, builder)
    builder._make_download_manager = manager
    builder._log_download_bytes = builder._log_download_done = lambda: None  # they tell of the workplace
    with _in_memory_shuffling():
        builder.download_and_prepare(
            download_dir=os.fspath(download_dir),
            download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            file_format="array_record",
        )
    if doubts:
        raise doubts[0]
    _check_counts(builder)


@contextlib.contextmanager
def _in_memory_shuffling() -> Iterator[None]:
    """Lets TFDS sort a split in memory whatever its size: on disk it would by TensorFlow's files.

    The order is the same. Of the sets here only SVHN's largest split is above TFDS's limit of 1 GB.
    """
    from tensorflow_datasets.core import shuffle

    limit = shuffle.MAX_MEM_BUFFER_SIZE
    shuffle.MAX_MEM_BUFFER_SIZE = 1 << 62
    try:
        yield
    finally:
        shuffle.MAX_MEM_BUFFER_SIZE = limit


def _check_counts(builder: Any) -> None:
    """Counts what was written: a full disk must not pass for a prepared set."""
    import tensorflow_datasets as tfds

    written: Any = tfds.builder_from_directory(builder.data_dir)
    for name, split in written.info.splits.items():
        source = written.as_data_source(split=name)
        if len(source) != split.num_examples:
            raise DataError(f"{len(source)} of {split.num_examples} examples of {name} were written; is the disk full?")


def _put_in_place(workplace: Path, place: Path) -> None:
    """Moves the one set that was made in the workplace."""
    data_dir = workplace.parent
    made = workplace / place.relative_to(data_dir)
    place.parent.mkdir(parents=True, exist_ok=True)
    # What TFDS keeps beside a set's configs: which of them is the default.
    common = Path(place.relative_to(data_dir).parts[0], ".config")
    if (workplace / common).is_dir():
        shutil.copytree(workplace / common, data_dir / common, dirs_exist_ok=True)
    made.rename(place)
