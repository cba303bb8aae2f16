"""What a run shows and keeps: its flags, each epoch's numbers, a trace, which rates it could take."""

import json
from pathlib import Path
from typing import Any

import pytest

from fnn import train
from tests.experiments.conftest import Start


def classify(fork: Start, directory: Path, *flags: str) -> str:
    """Runs the experiment on a few digits and returns what it printed."""
    done = fork(directory, "classify", "--model=linear_classifier", "--per_class=8", *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def result(directory: Path) -> dict:
    return json.loads((directory / "result.json").read_text())


def test_a_run_can_be_looked_at_and_repeated_from_its_flags(tmp_path: Path, fork: Start) -> None:
    shown = ("--range_test", "--tensorboard", "--profile")
    learns = ("--epochs=3", "--average=0.9", "--accumulate=2", "--label_smoothing=0.1", "--early_stopping=2")
    said = classify(fork, tmp_path, "--workdir=one", *learns, *shown)
    one = tmp_path / "one"
    assert "flags: " in said
    assert "--average=0.9" in said.split("flags: ")[1].splitlines()[0]
    assert "--learning_rate=" in said.split("range test: ")[1].splitlines()[1]
    epochs = train.metrics_log.read(one / "metrics.jsonl")
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    assert epochs[-1]["validation_accuracy"] == result(one)["validation_accuracy"]
    assert list((one / "profile").glob("plugins/profile/*/*.trace.json.gz"))
    names = [f"{part}_{what}" for part in ("train", "validation") for what in ("loss", "accuracy")]
    told = {"/".join(name.split("_")[::-1]): epochs[-1][name] for name in names}
    told |= {name: epochs[-1][name] for name in ("seconds", "skipped")}
    assert {name: value for name, step, value in events(one / "tensorboard") if step == 3} == pytest.approx(told)

    classify(fork, tmp_path, "--flagfile=one/flags.txt", "--notensorboard", "--workdir=two")
    assert result(tmp_path / "two")["params_sha256"] == result(one)["params_sha256"]
    assert not (tmp_path / "two/range_test.png").exists()  # and so the test of rates left no trace in the run
    assert not (tmp_path / "two/tensorboard").exists()


def events(directory: Path) -> list[tuple[str, int, float]]:
    """Reads the scalars of TensorBoard's files: name, step and value."""
    from tensorboardX.proto import event_pb2

    made: Any = event_pb2  # generated

    found = []
    for path in directory.iterdir():
        rest = path.read_bytes()
        while rest:  # records: length (8 bytes), its check (4), the event, its check (4)
            length = int.from_bytes(rest[:8], "little")
            event = made.Event.FromString(rest[12 : 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            rest = rest[16 + length :]
    return found
