r"""Say what a trained network sees in images of your own.

  python -m experiments.classify --export=digits.fnn
  python -m experiments.predict digits.fnn photo.png scan.jpg
  python -m experiments.predict digits.fnn *.png --top=1

Prints a line for each image: its name, and its most likely classes, each with what the network gives it: a probability,
or a score where it was exported without. Images are PNG, JPEG or WebP files of any size; each is brought to the size
that the network was trained on, in grey or in colour as it was.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from experiments import command
from experiments.command import FlagError
from fnn.data.files.decode import decode
from fnn.data.source import DataError
from fnn.interop import export

TOP = flags.DEFINE_integer("top", 3, "How many classes are named.", lower_bound=1)

_AT_ONCE = 64


def main(*arguments: str) -> None:
    """Reads the network and the images, and says what it makes of them."""
    if len(arguments) < 2:
        raise FlagError("expected the file of a network and at least one image: predict ARTIFACT IMAGE…")
    try:
        network = export.load(arguments[0])
    except DataError as error:
        raise FlagError(str(error)) from error
    _check_channels(network, arguments[0])
    paths = arguments[1:]
    wrong = 0
    for start in range(0, len(paths), _AT_ONCE):
        wrong += _predict(network, paths[start : start + _AT_ONCE])
    if wrong:
        sys.exit(f"{wrong} of {len(paths)} images could not be read")


def _check_channels(network: export.Artifact, path: str) -> None:
    channels = network.image_shape[-1]
    if channels not in (1, 3):
        raise FlagError(f"{path}: its images have {channels} channels; expected 1, grey, or 3, red, green and blue")


def _predict(network: export.Artifact, paths: Sequence[str]) -> int:
    """Prints a line for each image that can be read; returns how many cannot."""
    read, images = [], []
    for path in paths:
        try:
            images.append(decode(Path(path), network.image_shape, resize=True))
            read.append(path)
        except DataError as error:
            print(error, file=sys.stderr)
    if images:
        for path, outputs in zip(read, np.asarray(network.predict(np.stack(images))), strict=True):
            print(f"{path}  {describe(outputs, network.class_names)}")
    return len(paths) - len(read)


def describe(outputs: np.ndarray, class_names: Sequence[str]) -> str:
    """Names the classes with the highest outputs, the highest first."""
    highest = np.argsort(-outputs, kind="stable")[: TOP.value]
    return "  ".join(f"{class_names[i]} {outputs[i]:.3f}" for i in highest)


if __name__ == "__main__":
    command.run(main, "ARTIFACT IMAGE…")
