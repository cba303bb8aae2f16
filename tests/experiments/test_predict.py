"""What a network says of image files, started as a user would."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fnn
from fnn.data import Normalization
from fnn.interop import export
from tests.experiments.conftest import Start, start


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that knows dark, medium and bright, and an image of each."""
    directory = tmp_path_factory.mktemp("predict")
    layer = fnn.serial(flat=fnn.Flatten, head=fnn.Dense(3))
    kernel = np.tile(np.array([[-1, 0, 1]], np.float32), (64, 1)) / 64
    params = {"head": {"kernel": kernel, "bias": np.array([0, 0.5, 0], np.float32)}}
    export.save(
        directory / "light.fnn",
        layer,
        params,
        {},
        normalization=Normalization(np.array([0.5], np.float32), np.array([0.1], np.float32)),
        image_shape=(8, 8, 1),
        class_names=("dark", "medium", "bright"),
        platforms=("cpu",),
    )
    for name, grey in (("night.png", 0), ("dusk.jpg", 127), ("day.webp", 255)):
        Image.fromarray(np.full((20, 30, 3), grey, np.uint8)).save(directory / name)
    (directory / "notes.png").write_text("no image")
    return directory


def test_each_image_gets_a_line_and_what_is_none_is_told(directory: Path) -> None:
    done = start(directory, "predict", "light.fnn", "day.webp", "notes.png", "night.png", "dusk.jpg", "--top=2")
    # The softmax of −5, 0.5 and 5 for a white image; of 0.02, 0.5 and −0.02 for a grey one.
    assert done.stdout.splitlines() == [
        "day.webp  bright 0.989  medium 0.011",
        "night.png  dark 0.989  medium 0.011",
        "dusk.jpg  medium 0.452  dark 0.279",
    ]
    assert done.stderr.splitlines()[-1] == "1 of 4 images could not be read"
    assert "notes.png: cannot be read as PNG, JPEG or WebP" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["light.fnn"], "at least one image"),
        (["day.webp", "day.webp"], "day.webp: cannot be read"),
        (["light.fnn", "day.webp", "--top=0"], "--top"),
    ],
)
def test_wrong_use_is_refused_in_a_line(directory: Path, fork: Start, arguments: list[str], said: str) -> None:
    done = fork(directory, "predict", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_what_was_trained_is_exported(directory: Path, fork: Start) -> None:
    done = fork(directory, "classify", "--model=linear_classifier", "--epochs=2", "--export=made/digits.fnn")
    assert done.returncode == 0, done.stderr
    digits = fnn.data.load("digits", "train")
    network = export.load(directory / "made/digits.fnn")
    assert network.outputs == "probabilities"
    assert np.mean(np.argmax(network.predict(digits.images), axis=-1) == digits.labels) > 0.7
