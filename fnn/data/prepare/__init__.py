"""Preparing TFDS's sets without TensorFlow: `python -m fnn.data.prepare mnist`.

TFDS's builder is asked for everything (version, features, splits, checksums, order, files) but for what it does by
TensorFlow: opening archives, reading the originals and encoding images. `recipes` lists who does that here.
"""

from fnn.data.prepare.directory import prepare
from fnn.data.prepare.recipes import RECIPES

__all__ = ["RECIPES", "prepare"]
