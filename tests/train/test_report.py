"""What a run tells."""

import json
from pathlib import Path

from fnn import train


def test_table_has_a_head_once_and_a_row_an_epoch() -> None:
    lines: list[str] = []
    row = train.epoch_table(lines.append)
    row(train.Epoch(1, 1.25, 0.5, None, None, 2.0))
    row(train.Epoch(2, 0.75, 0.625, 0.875, 0.25, 0.5))
    assert lines[0].split() == ["epoch", "train", "loss", "train", "acc", "val", "loss", "val", "acc", "seconds"]
    assert lines[1].split() == ["1", "1.2500", "0.5000", "2.00"]
    assert lines[2].split() == ["2", "0.7500", "0.6250", "0.8750", "0.2500", "0.50"]
    assert len({len(line) for line in lines}) == 1


def test_a_result_replaces_the_one_before_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    for number in (1, 2):
        train.write_result(path, {"number": number})
    assert json.loads(path.read_text()) == {"number": 2}
    assert list(tmp_path.iterdir()) == [path]
