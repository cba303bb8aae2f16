"""`python -m experiments` lists every experiment, and each says what it asks and what to expect."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.__main__ import experiments

FOLDER = Path(__file__).parents[2] / "experiments"
EXPERIMENTS = dict(experiments())


def test_it_lists_every_experiment_and_imports_none() -> None:
    code = "import runpy, sys; runpy.run_module('experiments', run_name='__main__'); assert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    listed = [line.split(maxsplit=1) for line in done.stdout.split("\n\n")[0].splitlines()]
    assert dict(listed) == EXPERIMENTS
    assert {"classify", "xor", "boundaries", "outliers"} <= set(EXPERIMENTS)
    assert "command" not in EXPERIMENTS
    assert "plane" not in EXPERIMENTS


TOOLS = {"compare", "predict"}  # that ask nothing


@pytest.mark.parametrize("name", sorted(set(EXPERIMENTS) - TOOLS))
def test_its_docstring_is_complete(name: str) -> None:
    source = (FOLDER / f"{name}.py").read_text()
    docstring = ast.get_docstring(ast.parse(source)) or ""
    parts = ["\nQuestion: ", f"\n  python -m experiments.{name}", "\nExpect ", "\nReference: "]
    places = [docstring.find(part) for part in parts]
    assert -1 not in places, dict(zip(parts, places, strict=True))
    assert places == sorted(places)
    assert "\n  result.json " in docstring
    assert EXPERIMENTS[name].endswith(".")
