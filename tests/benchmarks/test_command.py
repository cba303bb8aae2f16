"""`python -m benchmarks`, started as a user would: a process of its own, an empty directory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def benchmarks(directory: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *flags],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_it_measures_says_and_writes_what_it_promises(tmp_path: Path) -> None:
    done = benchmarks(
        tmp_path, "--only=mlp,average_pool8*,inference,forward", "--peers=plain", "--repeats=2", "--out=here"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no bar where there is no terminal, no chatter of libraries
    lines = done.stdout.splitlines()
    assert lines[0].startswith("machine: processor ")
    assert lines[1].startswith("versions: python ")
    assert lines[-1] == f"results.json, table.md and 2 charts are in {Path('here')}"
    result = json.loads((tmp_path / "here/results.json").read_text())
    assert result["complete"] is True
    assert result["flags"]["repeats"] == 2
    assert result["machine"]["cores"] >= 1
    assert result["versions"].keys() >= {"python", "fnn", "jax", "jaxlib", "optax"}
    net, pool = result["rows"]
    assert (net["subject"], net["case"], net["batch"], net["parameters"]) == ("mlp", "inference", 128, 669_706)
    assert net["agreement"]["plain"]["loss_difference"] < 1e-5
    assert (pool["subject"], pool["case"]) == ("average_pool8x8_512_at8_batch32_stride8", "forward")
    assert pool["differences"]["plain"] < 1e-5
    for row in (net, pool):
        assert list(row["peers"]) == ["fnn", "plain"]
        assert all(len(peer["seconds"]) == 2 and peer["median"] > 0 for peer in row["peers"].values())
        shown = next(line for line in lines if line.startswith(row["subject"]))
        assert f"{row['ratios']['fnn_to_plain']:.2f}" == shown.split()[-1]
    assert {path.name for path in (tmp_path / "here").iterdir()} == {
        *("results.json", "table.md", "nets-inference.png", "operations-forward.png")
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--peers=fnn,keras"], "--peers: no peer 'keras'; there are fnn, stax,"),
        (["--only=alexnet"], "--only: nothing is called 'alexnet'; there are mlp,"),
        (["--out=file"], "--out=file is no directory"),
        (["lenet5"], "unexpected argument 'lenet5'"),
    ],
)
def test_a_wrong_flag_is_refused_in_one_line(tmp_path: Path, flags: list[str], message: str) -> None:
    (tmp_path / "file").touch()
    done = benchmarks(tmp_path, *flags)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_help_says_what_it_is_and_lists_the_flags(tmp_path: Path) -> None:
    done = benchmarks(tmp_path, "--help")
    assert "Measure fnn beside other neural-network libraries" in done.stdout
    for flag in ("suite", "only", "peers", "repeats", "budget", "device", "out"):
        assert f"--{flag}" in done.stdout
