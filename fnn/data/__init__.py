"""Data sets as arrays, and the batches of a run. This room knows no layers.

name or folder ──open_source──> Source ──load──> Split(images uint8 NHWC, labels int32)
   ──Batches(seed)──> the samples of step t ──feed──> their images and labels

`source.py` says what every data set looks like; `load.py` finds one.
"""

from fnn.data.batches import Batches, epoch_order, make_batches
from fnn.data.feed import READING, Reading, feed, to_device
from fnn.data.folds import Fold, choose_few, few_of_each, fold, fold_numbers, folds, holdout, with_wrong_labels
from fnn.data.load import MEMORY, choose, load, open_source, stream
from fnn.data.normalization import Normalization, normalization_of
from fnn.data.source import DataError, Examples, InMemory, Source
from fnn.data.split import Split, Streamed

__all__ = [
    "MEMORY",
    "READING",
    "Batches",
    "DataError",
    "Examples",
    "Fold",
    "InMemory",
    "Normalization",
    "Reading",
    "Source",
    "Split",
    "Streamed",
    "choose",
    "choose_few",
    "epoch_order",
    "feed",
    "few_of_each",
    "fold",
    "fold_numbers",
    "folds",
    "holdout",
    "load",
    "make_batches",
    "normalization_of",
    "open_source",
    "stream",
    "to_device",
    "with_wrong_labels",
]
