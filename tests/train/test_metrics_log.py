"""A history on disk survives what ends a run."""

import json
from pathlib import Path

import pytest

from fnn.train import Epoch, metrics_log


def epoch(number: int, loss: float = 1.0) -> dict:
    return Epoch(number, loss, 0.5, None, None, 0.25)._asdict()


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for number in (1, 2, 3):
        metrics_log.append(path, epoch(number))
    assert metrics_log.read(path) == [epoch(1), epoch(2), epoch(3)]
    assert [json.loads(line) for line in path.read_text().splitlines()] == metrics_log.read(path)


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_cut_off_line_is_left_out_and_overwritten(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics_log.append(path, epoch(1))
    metrics_log.append(path, epoch(2))
    path.write_bytes(path.read_bytes()[:-cut])
    assert metrics_log.read(path) == [epoch(1)]
    metrics_log.append(path, epoch(2, loss=7.0))
    assert metrics_log.read(path) == [epoch(1), epoch(2, loss=7.0)]


def test_a_run_that_goes_on_earlier_forgets_what_it_had_told_of_later_epochs(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for number in (1, 2, 3, 4):
        metrics_log.append(path, epoch(number))
    metrics_log.append(path, epoch(2, loss=7.0))
    metrics_log.append(path, epoch(3, loss=8.0))
    assert metrics_log.read(path) == [epoch(1), epoch(2, loss=7.0), epoch(3, loss=8.0)]
    metrics_log.write(path, [epoch(1, loss=9.0)])
    assert metrics_log.read(path) == [epoch(1, loss=9.0)]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics_log.append(path, epoch(1, loss=float("nan")))
    assert "null" in path.read_text()
    assert "NaN" not in path.read_text()
    assert metrics_log.read(path)[0]["train_loss"] is None


@pytest.mark.parametrize("line", ["{", "[1]", "{}", "3"])
def test_a_line_that_is_no_epoch_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics_log.append(path, epoch(1))
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match="line 2 is no epoch"):
        metrics_log.read(path)
