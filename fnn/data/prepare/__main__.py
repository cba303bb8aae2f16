"""Prepares a data set as TensorFlow Datasets would, without TensorFlow.

  python -m fnn.data.prepare NAME [--data_dir=FOLDER] [--from_dir=FOLDER]

NAME is mnist, fashion_mnist, kmnist, emnist/CONFIG (byclass, bymerge, balanced, letters, digits, mnist), cifar10,
cifar100 or svhn_cropped. The set comes to lie in DATA_DIR/NAME/[CONFIG/]VERSION, where fnn and TensorFlow Datasets
find it. A set that is there is left alone; one that could not be finished leaves nothing.

The originals are downloaded, or taken from --from_dir under their own names (train-images-idx3-ubyte.gz,
cifar-10-binary.tar.gz, train_32x32.mat, ...), and compared with the checksums of TensorFlow Datasets. Files that were
unpacked already (train-images-idx3-ubyte, data_batch_1.bin, ...) do as well.
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from absl import app, flags, logging

from fnn.data.prepare.directory import prepare
from fnn.data.source import DataError

DATA_DIR = flags.DEFINE_string(
    "data_dir", "~/tensorflow_datasets", "Where data sets lie; downloads are kept in its subfolder downloads."
)
FROM_DIR = flags.DEFINE_string(
    "from_dir", None, "A folder with the set's original files. Nothing is downloaded; the files are only read."
)


def _main(arguments: Sequence[str]) -> None:
    if len(arguments) != 2:
        _stop("one NAME is needed, as in: python -m fnn.data.prepare mnist (--help lists all)", 2)
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)  # TFDS reports every file
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    # A job that is told to end ends by an exception, so that what was begun is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    from_dir = Path(FROM_DIR.value) if FROM_DIR.value else None
    try:
        place = prepare(arguments[1], Path(DATA_DIR.value), from_dir, say=lambda line: print(line, flush=True))
    except DataError as error:
        _stop(str(error), 1)
    except KeyboardInterrupt:
        _stop("interrupted; nothing was left behind", 130)
    print(f"{arguments[1]} is in {place}")


def _parse(arguments: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        _stop(f"{error} (--help lists all flags)", 2)


def _stop(reason: str, status: int) -> NoReturn:
    print(" ".join(reason.split()), file=sys.stderr, flush=True)
    sys.exit(status)


if __name__ == "__main__":
    app.run(_main, flags_parser=_parse)
