"""The sheet of augmentations, started as a user would."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.experiments.conftest import Start, start


def test_it_draws_a_row_for_each_augmentation_and_says_where(tmp_path: Path) -> None:
    flags = ("--augment=mixup=0.5,flip=0.5,rotation=20,noise=0", "--seed=3", "--samples=4")
    done = start(tmp_path, "show_augmentation", *flags)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    folder = tmp_path / "runs/augmentation-digits-seed3"
    result = json.loads((folder / "result.json").read_text())
    assert result["rows"] == ["original", "flip=0.5", "rotation=20", "mixup=0.5", "all of these"]
    assert result["augmentations"] == ["flip", "rotation", "mixup"]
    assert result["flags"]["samples"] == 4
    assert done.stdout == "scikit-learn's digits: 5 rows of 4 images in runs/augmentation-digits-seed3/sheet.png\n"
    with Image.open(folder / "sheet.png") as image:
        assert min(image.size) > 500


def test_equal_flags_draw_the_same_and_another_seed_does_not(tmp_path: Path, fork: Start) -> None:
    sheets = []
    for name, run, seed in (("a", start, 1), ("b", fork, 1), ("c", fork, 2)):
        flags = ("--augment=noise=0.1", f"--seed={seed}", f"--workdir={name}", "--samples=2")
        done = run(tmp_path, "show_augmentation", *flags)
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / name / "sheet.png") as image:
            sheets.append(np.asarray(image)[100:])  # below the title
    assert np.array_equal(sheets[0], sheets[1])
    assert not np.array_equal(sheets[0], sheets[2])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--augment=twist=3"], "choose from flip, crop"),
        (["--augment=rotation=200"], "from 0 to 180, got 200"),
        (["--augment=saturation=0.5"], "--augment=saturation=0.5: saturation expects images of 3 channels"),
        (["--augment=crop=8"], "expects images of more rows"),
        (["--dataset=dogs"], "digits"),
        (["--samples=1"], "samples"),
        (["--workdir=a_file"], "is no directory"),
    ],
)
def test_wrong_flags_are_refused_in_one_line(tmp_path: Path, fork: Start, flags: list[str], said: str) -> None:
    (tmp_path / "a_file").touch()
    done = fork(tmp_path, "show_augmentation", *flags)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "runs").exists()
