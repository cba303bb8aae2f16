"""The check before training, started as a user would."""

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from tests.experiments.conftest import Start, start


@pytest.mark.thorough
def test_a_sound_network_learns_its_batch_by_heart(tmp_path: Path, fork: Start) -> None:
    done = fork(tmp_path, "overfit", "--model=linear_classifier", "--samples=13", "--seed=2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    folder = tmp_path / "runs/overfit-digits-linear_classifier-seed2"
    result = json.loads((folder / "result.json").read_text())
    assert done.stdout.splitlines()[-1] == f"accuracy on the batch after {result['steps']} steps: 100 %"
    assert result["reached"]
    assert result["accuracy"] == 1
    assert result["findings"] == []
    assert result["chance_loss"] == pytest.approx(math.log(10))
    assert len(result["losses"]) == result["steps"] > 1
    assert len(result["samples"]) == 13
    assert [layer["path"] for layer in result["at_first"]] == ["flatten", "head"]
    assert result["flags"]["samples"] == 13
    with Image.open(folder / "scales.png") as image:
        assert min(image.size) > 300


def test_a_learning_rate_that_is_too_high_is_reported(tmp_path: Path) -> None:
    done = start(tmp_path, "overfit", "--model=linear_classifier", "--learning_rate=1e37", "--workdir=here")
    assert done.returncode == 1
    assert done.stderr == ""
    result = json.loads((tmp_path / "here/result.json").read_text())
    lines = done.stdout.splitlines()
    assert [line.removeprefix("- ") for line in lines if line.startswith("- ")] == result["findings"]
    assert "lower learning rate" in result["findings"][0]
    assert result["losses"][-1] is None  # JSON has no NaN
    assert not lines[-1].endswith(" 100 %")
    assert not result["reached"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--samples=1348"], "from 2 to 1347 samples"),
        (["--samples=1"], "samples"),
        (["--model=linear_classifier", "--dropout=0.5"], "mlp, lenet5, convnet"),
        (["--momentum=2"], "momentum"),
        (["--workdir=a_file"], "is no directory"),
    ],
)
def test_wrong_flags_are_refused_in_one_line(tmp_path: Path, fork: Start, flags: list[str], said: str) -> None:
    (tmp_path / "a_file").touch()
    done = fork(tmp_path, "overfit", *flags)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "runs").exists()
