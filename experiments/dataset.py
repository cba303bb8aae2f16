"""What an experiment learns from, by flags: the set, its splits, and what is done to them before training."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from absl import flags

from experiments.command import FlagError
from fnn import data
from fnn.data.selection import Slice, overlap, parse

DATASET = flags.DEFINE_string(
    "dataset",
    "digits",
    "What to learn from: digits, embedded; a name of TensorFlow Datasets, such as mnist, cifar10 or emnist/letters, "
    "once `python -m fnn.data.prepare NAME` has prepared it; or a path: of such a prepared directory, of IDX, CIFAR "
    "binary or NumPy files, or of a folder with a subfolder of images for each class.",
)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where prepared sets lie; ~/tensorflow_datasets by default.")
IMAGE_SIZE = flags.DEFINE_list("image_size", None, "HEIGHT,WIDTH to which images are resized, or one number for both.")
TRAIN_SPLIT = flags.DEFINE_string(
    "train_split",
    None,
    "On what to train, in TensorFlow Datasets' syntax: train, train[:90%], train+validation. By default train, less "
    "what is set aside for validation and test where the set has no such splits.",
)
VALIDATION_SPLIT = flags.DEFINE_string(
    "validation_split",
    None,
    "What is evaluated after every epoch; empty for nothing. By default validation, or the last 5 % of train.",
)
TEST_SPLIT = flags.DEFINE_string(
    "test_split", None, "What the network is tested on in the end. By default test, or the last 20 % of train."
)
FOLD = flags.DEFINE_string(
    "fold", None, "I/K: validate on fold I, counted from 0, of K of the training split, and train on the others."
)
PER_CLASS = flags.DEFINE_integer("per_class", None, "Train on so many samples of each class only.", lower_bound=1)
LABEL_NOISE = flags.DEFINE_float(
    "label_noise", 0.0, "Give this share of the training samples a wrong label.", lower_bound=0, upper_bound=1
)
MEMORY_GIB = flags.DEFINE_float(
    "memory_gib", data.MEMORY / 2**30, "Splits with more images than that are streamed.", lower_bound=0
)

AnySplit = data.Split | data.Streamed


class Splits(NamedTuple):
    """What a run trains on and is judged by."""

    train: AnySplit
    validation: AnySplit | None
    test: AnySplit


def load_splits(*, folds: bool = False) -> Splits:
    """Loads what the flags describe. No sample is in two of the three.

    Args:
      folds: whether the training split will be cut into folds, as by `--fold`: then nothing else is set aside.

    Raises:
      FlagError: if it is not there, or the flags do not fit each other.
    """
    try:
        source = data.open_source(DATASET.value, data_dir=DATA_DIR.value, image_size=_image_size())
        sizes = {name: len(examples) for name, examples in source.splits.items()}
        train, validation, test = _choose(sizes, folds or FOLD.value is not None)
        return _change(_load(source, train), _load(source, validation) if validation else None, _load(source, test))
    except FlagError:
        raise
    except ValueError as error:
        raise FlagError(f"--dataset={DATASET.value}: {error}") from error


def default_splits(sizes: Mapping[str, int]) -> tuple[str, str, str]:
    """Says what to train, validate and test on where nobody said.

    Args:
      sizes: the splits that the set has.
    """
    first = "train" if "train" in sizes else next(iter(sizes))
    validation = next((name for name in ("validation", "val") if name in sizes), None)
    if "test" in sizes:
        return (first, validation, "test") if validation else (f"{first}[:95%]", f"{first}[95%:]", "test")
    if validation:
        return f"{first}[:80%]", validation, f"{first}[80%:]"
    return f"{first}[:75%]", f"{first}[75%:80%]", f"{first}[80%:]"


def _choose(sizes: Mapping[str, int], folds: bool) -> tuple[str, str | None, str]:
    default = default_splits(sizes)
    train, test = TRAIN_SPLIT.value or default[0], TEST_SPLIT.value or default[2]
    validation = default[1] if VALIDATION_SPLIT.value is None else VALIDATION_SPLIT.value or None
    if folds:
        if VALIDATION_SPLIT.value:
            raise FlagError("a fold takes the validation samples from the training split; leave --validation_split out")
        validation = None
    parts = {"train": parse(train, sizes), "test": parse(test, sizes)}
    if validation:
        parts["validation"] = parse(validation, sizes)
        if VALIDATION_SPLIT.value is None and _shared(parts["validation"], [*parts["train"], *parts["test"]]):
            validation = None  # who trains on everything else has made all choices
            del parts["validation"]
    for name, other in (("train", "test"), ("validation", "test"), ("train", "validation")):
        if name in parts and other in parts and (count := _shared(parts[name], parts[other])):
            raise FlagError(f"--{name}_split and --{other}_split share {count} samples; none may be in both")
    return train, validation, test


def _shared(some: list[Slice], others: list[Slice]) -> int:
    return sum(overlap(a, b) for a in some for b in others)


def _load(source: data.Source, selection: str) -> AnySplit:
    split = data.choose(source, selection)
    return split.in_memory() if split.nbytes <= MEMORY_GIB.value * 2**30 else split


def _change(train: AnySplit, validation: AnySplit | None, test: AnySplit) -> Splits:
    if not (FOLD.value or PER_CLASS.value or LABEL_NOISE.value):
        return Splits(train, validation, test)
    if not isinstance(train, data.Split):
        raise FlagError("--fold, --per_class and --label_noise need the training split in memory; raise --memory_gib")
    if FOLD.value:
        train, validation = data.fold(train, *_fold(FOLD.value))
    if PER_CLASS.value:
        train = data.few_of_each(train, PER_CLASS.value)
    if LABEL_NOISE.value:
        train, _ = data.with_wrong_labels(train, LABEL_NOISE.value)
    return Splits(train, validation, test)


def _fold(text: str) -> tuple[int, int]:
    number, slash, count = text.partition("/")
    if not (slash and number.strip("-").isdigit() and count.isdigit()):
        raise FlagError(f"--fold expects I/K, such as 0/5 for the first of five, got {text!r}")
    return int(number), int(count)


def _image_size() -> tuple[int, int] | None:
    if not IMAGE_SIZE.value:
        return None
    try:
        height, width = map(int, IMAGE_SIZE.value * 2 if len(IMAGE_SIZE.value) == 1 else IMAGE_SIZE.value)
    except ValueError:
        height = width = 0
    if min(height, width) < 1:
        raise FlagError(f"--image_size expects HEIGHT,WIDTH or one number, got {','.join(IMAGE_SIZE.value)}")
    return height, width


def name_of_dataset() -> str:
    """Returns what a directory of results may be called after the set: `mnist`, `emnist-letters`, a folder's name."""
    path = Path(DATASET.value)
    return path.resolve().name if path.exists() else DATASET.value.replace("/", "-")
