"""The experiment of backpropagation, started as a user would."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.experiments.conftest import Start, start


def test_it_prints_draws_and_writes_four_circuits(tmp_path: Path) -> None:
    done = start(tmp_path, "backpropagation", "--images=2", "--depth=1", "--open=head", "--seed=3")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    folder = tmp_path / "runs/backpropagation-seed3"
    result = json.loads((folder / "result.json").read_text())
    assert list(result["circuits"]) == ["product", "neuron", "network", "lenet5"]
    for name in result["circuits"]:
        assert ET.parse(folder / f"{name}.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    values = {v["name"]: v for n in result["circuits"]["product"]["nodes"] for v in n["outputs"]}
    assert {name: (v["forward"], v["gradient"]) for name, v in values.items()} == {
        "x": (-2, -4), "y": (5, -4), "z": (-4, 3), "q": (3, -4), "product": (-12, 1),
    }  # fmt: skip
    layers = [n["title"] for n in result["circuits"]["lenet5"]["nodes"] if n["kind"] == "layer"]
    head = ["head/dense1", "head/act1", "head/dense2", "head/act2", "head/dense3"]
    assert layers == ["features", "flatten", *head, "softmax_cross_entropy"]
    assert result["derivatives_checked_by_finite_differences"] == {"product": 3, "neuron": 5, "network": 12}
    assert "neuron  1 ÷ v7    0.7311         1" in done.stdout
    assert done.stdout.endswith("and result.json in runs/backpropagation-seed3\n")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--open=head/dense9", "--open: open='head/dense9' names no box of this circuit; there are features"),
        ("--depth=-1", "depth"),
        ("--images=0", "images"),
        ("--workdir=a_file", "is no directory"),
    ],
)
def test_wrong_flags_are_refused_in_one_line(tmp_path: Path, fork: Start, flag: str, said: str) -> None:
    (tmp_path / "a_file").touch()
    done = fork(tmp_path, "backpropagation", flag)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "runs").exists()
