"""Data sets as arrays, and the batches of a run. This room knows no layers.

name ──load──> Split(images uint8 NHWC, labels int32) ──Batches(seed)──> the samples of step t
"""

from fnn.data.batches import Batches, epoch_order, make_batches
from fnn.data.load import SHARES, SOURCES, load
from fnn.data.normalization import Normalization, normalization_of
from fnn.data.split import Split

__all__ = [
    "SHARES",
    "SOURCES",
    "Batches",
    "Normalization",
    "Split",
    "epoch_order",
    "load",
    "make_batches",
    "normalization_of",
]
