"""Bugs are planted where they are meant to be, and what no test sees is found out."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.__main__ import SCOPE, every_mutant
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.run import Lines

ROOT = Path(__file__).parents[2]

SOURCE = '''"""Text with 1 + 1 in it."""
def area(width: int | None, height: int = 3, *, keep: bool = True) -> "1 + 1":
    if width < 0:
        raise ValueError(f"{width + 1} is less than {0}")
    return scaled(width * height, keep=keep)
'''


def planted(tmp_path: Path, source: str) -> dict[str, str]:
    file = tmp_path / "fnn" / "shapes.py"
    file.parent.mkdir()
    file.write_text(source)
    return {f"{m.before} → {m.after}": m.planted(source.encode()).decode() for m in mutants_of(tmp_path, file)}


def test_bugs_stand_in_what_computes(tmp_path):
    assert set(planted(tmp_path, SOURCE)) == {
        "3 → 4", "3 → 2", "True → False", "width < 0 → width <= 0", "0 → 1", "0 → -1",
        "scaled(width * height, keep=keep) → scaled(width * height)", "width * height → width / height",
        "width * height → width", "width * height → height",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "wrong"),
    {
        "f(a, b, c)": "f(b, a, c)", "-x": "x", "not x": "x", "a if b else c": "c if b else a", "a and b": "a or b",
        "a == b": "a != b", "a is None": "a is not None", "x @ y": "x * y", "0.5": "1.0", "widen(x)": "x",
        "f(x, axis=-1, keepdims=True)": "f(x, axis=-1)",
    }.items(),
)  # fmt: skip
def test_each_kind_of_bug(tmp_path, source, wrong):
    assert f"y = ({wrong})\n" in planted(tmp_path, f"y = {source}\n").values()


def test_what_only_checks_the_code_itself_is_left_alone(tmp_path):
    assert set(planted(tmp_path, "pairs = zip(a, b, strict=True)\n")) == {
        "zip(a, b, strict=True) → zip(b, a, strict=True)"
    }


def test_every_bug_leaves_a_file_that_parses():
    mutants = every_mutant(ROOT, SCOPE)
    assert len(mutants) > 4000
    assert {mutant.file for mutant in mutants} >= {"fnn/losses.py", "fnn/train/step.py", "fnn/layers/linear.py"}
    for mutant in mutants[::10]:
        ast.parse(mutant.planted((ROOT / mutant.file).read_bytes()))


def test_quick_tests_of_every_function_are_run_first(tmp_path):
    seconds = {"a.py::slow": 9.0, "a.py::each[1]": 0.1, "a.py::each[2]": 0.2, "b.py::other": 1.0, "b.py::long": 50.0}
    seconds |= {"a.py::each[3]": 0.9}  # the third of its function, after 0.3 seconds of the others
    (tmp_path / "lines.json").write_text(json.dumps({"seconds": seconds, "lines": {"f.py": {"2": list(seconds)}}}))
    lines = Lines(tmp_path / "lines.json")
    place = Mutant("f.py", 2, (0, 1), "x", "y")
    assert lines.tests_for(place) == ["a.py::each[1]", "a.py::each[2]", "b.py::other", "a.py::each[3]", "a.py::slow"]
    assert lines.tests_for(place._replace(line=1)) == lines.tests_for(place)  # run at import: all tests of the file
    assert lines.tests_for(place._replace(file="g.py")) == []


TOY = {
    "fnn/__init__.py": "",
    "fnn/shapes.py": "def area(w, h):\n    return w * h\n\n\ndef unseen(w):\n    return w + 1\n",
    "tests/test_toy.py": "from fnn.shapes import area, unseen\n\n\n"
    "def test_area():\n    assert area(2, 3) == 6\n\n\ndef test_nothing():\n    unseen(1)\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p xdist'\n",
}


def test_the_command_tells_what_survives(tmp_path):
    for name, text in TOY.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def run(*command: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    pytest.importorskip("coverage")
    run("tests.mutation.cover", "lines.json", "tests/test_toy.py")
    known = json.loads((tmp_path / "lines.json").read_text())
    assert known["lines"]["fnn/shapes.py"]["2"] == ["tests/test_toy.py::test_area"]
    said = run("tests.mutation", "lines.json", "--scope", "fnn")
    assert "8 of 8 possible bugs" in said
    assert ("'caught': 3" in said, said.count("survived: fnn/shapes.py:6: ")) == (True, 5), said
    assert "survived: fnn/shapes.py:6: w + 1  →  w - 1" in said
    (tmp_path / "said").write_text(said)
    again = run("tests.mutation", "lines.json", "--scope", "fnn", "--again", "said")
    assert "5 of 5 possible bugs: {'survived': 5}" in again, again
    assert (tmp_path / "fnn/shapes.py").read_text() == TOY["fnn/shapes.py"]
