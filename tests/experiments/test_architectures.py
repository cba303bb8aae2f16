"""The comparison of architectures, started as a user would."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.experiments.conftest import Start, start


def test_it_prints_draws_and_writes(tmp_path: Path) -> None:
    done = start(tmp_path, "architectures", "--models=mlp,lenet5", "--channels=16")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result = json.loads((tmp_path / "runs/architectures/result.json").read_text())
    mlp, lenet5 = result["networks"]
    assert (mlp["model"], mlp["image"], mlp["layers"], mlp["receptive_field"]) == ("mlp", [28, 28, 1], 3, None)
    assert mlp["parameters"] == mlp["multiply_adds"] + 128 + 64 + 10 == 28 * 28 * 128 + 128 * 64 + 64 * 10 + 202
    assert (lenet5["model"], lenet5["layers"], lenet5["receptive_field"]) == ("lenet5", 5, 16)
    five, two_threes, seven, three_threes = result["convolutions"]
    assert [five["parameters"], two_threes["parameters"]] == [25 * 16**2, 18 * 16**2]
    assert [seven["parameters"], three_threes["parameters"]] == [49 * 16**2, 27 * 16**2]
    assert five["receptive_field"] == two_threes["receptive_field"] == 5
    assert seven["receptive_field"] == three_threes["receptive_field"] == 7
    assert five["multiply_adds"] == 56 * 56 * five["parameters"]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[2][:4] == ["lenet5", "28×28×1", "107,786", "693"]
    assert ["3×3", "+", "3×3", "4,608", "18", "14.5", "M", "5"] in lines
    with Image.open(tmp_path / "runs/architectures/architectures.png") as image:
        assert min(image.size) > 500


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--models=mlp,lenet6"], "choose from"),
        (["--models="], "choose from"),
        (["--channels=0"], "channels"),
        (["--models=mlp", "--workdir=a_file"], "is no directory"),
    ],
)
def test_wrong_flags_are_refused_in_one_line(tmp_path: Path, fork: Start, flags: list[str], said: str) -> None:
    (tmp_path / "a_file").touch()
    done = fork(tmp_path, "architectures", *flags)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
