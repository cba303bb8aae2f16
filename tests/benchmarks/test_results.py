"""What a run leaves: JSON, Markdown and pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.measure import Measurement
from benchmarks.results import draw_charts, write_results
from benchmarks.run import SUITES, Done, Row, choose_rows

TITLES = {"fnn": "fnn", "linen": "Flax Linen", "torch": "PyTorch"}
DONE = [
    Done(
        Measurement("nets", "mlp", "inference", {"fnn": [2.0, 4.0], "linen": [6.0], "torch": [1.0]}), {"batch": 8}, {}
    ),
    Done(Measurement("nets", "cnn", "inference", {"fnn": [2.0], "torch": [100.0]}), {}, {"linen": "broken"}),
    Done(Measurement("imports", "python", "import", {"fnn": [0.5], "linen": [-0.01]}), {}, {}),
]


def test_json_has_every_number(tmp_path: Path) -> None:
    write_results(tmp_path, DONE, {"machine": {"cores": 2}, "versions": {"jax": "1"}, "complete": True}, list(TITLES))
    result = json.loads((tmp_path / "results.json").read_text())
    assert result["machine"] == {"cores": 2}
    assert result["complete"] is True
    first, second, third = result["rows"]
    assert [first[key] for key in ("suite", "subject", "case", "batch")] == ["nets", "mlp", "inference", 8]
    assert first["peers"]["fnn"] == {"median": 3.0, "q1": 2.5, "q3": 3.5, "seconds": [2.0, 4.0]}
    assert first["ratios"] == {
        "fnn_to_torch": 3.0,
        "fnn_to_fastest_jax_library": 0.5,
        "fastest_jax_library": "linen",
        "fnn_to_plain": None,
    }
    assert second["ratios"]["fastest_jax_library"] is None
    assert third["ratios"]["fnn_to_torch"] is None
    assert "cores 2" in (tmp_path / "table.md").read_text()
    assert not list(tmp_path.glob("*.part"))


def test_there_is_a_chart_for_each_case(tmp_path: Path) -> None:
    paths = draw_charts(tmp_path, [row.measurement for row in DONE], TITLES)
    assert [path.name for path in paths] == ["nets-inference.png", "imports-import.png"]
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        assert min(pixels.shape[:2]) > 200
        assert np.any(np.all(pixels == (0xD5, 0x5E, 0x00), axis=-1))  # fnn's line


def test_rows_are_chosen_by_subject_and_case() -> None:
    every = choose_rows(list(SUITES), [])
    assert len(every) == len(set(every)) > 80
    assert choose_rows(["nets"], ["lenet5", "inference", "init"]) == [
        Row("nets", "lenet5", "inference"),
        Row("nets", "lenet5", "init"),
    ]
    resnets = choose_rows(list(SUITES), ["resnet*"])
    assert {row.subject for row in resnets} == {"resnet18", "resnet50"}
    assert {row.suite for row in choose_rows(list(SUITES), ["forward*"])} == {"operations"}
    assert choose_rows(["imports"], []) == [Row("imports", "python", "import")]


@pytest.mark.parametrize(
    ("suites", "only", "message"),
    [
        (["net"], [], "--suite: no suite 'net'; there are nets, operations, imports"),
        (["nets"], ["lenet"], "--only: nothing is called 'lenet'; there are mlp, lenet5"),
        (list(SUITES), ["lenet5", "forward"], "--only: no lenet5 has a case forward"),
        ([], [], "--suite: no suite ''"),
    ],
)
def test_a_choice_of_nothing_is_refused(suites: list[str], only: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_rows(suites, only)
