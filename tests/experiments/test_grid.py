"""What a grid is made of, and what its rows come to."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from experiments import grid, reporting, results
from fnn import data, losses, train


def row(rate: float, validation: float | None, test: float, loss: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "learning_rate": rate,
        "train_accuracy": 1.0,
        "validation_accuracy": validation,
        "validation_loss": loss,
        "test_accuracy": test,
        "halted": None,
    } | more


def test_every_combination_is_there_once() -> None:
    plan = grid.Plan({"learning_rate": (0.1, 0.2), "momentum": (0.5, 0.9)}, (3, 4), 3)
    assert len(plan.cells) == 2 * 2 * 2 * 3
    assert len({(*cell.hyper.items(), cell.seed, cell.fold) for cell in plan.cells}) == 24
    assert plan.cells[0] == ({"learning_rate": 0.1, "momentum": 0.5}, 3, "0/3")
    assert plan.cells[1].fold == "1/3"
    assert plan.varying == ["learning_rate", "momentum", "seed", "fold"]
    assert str(plan) == "2 × learning_rate, 2 × momentum, 2 × seed, 3 folds"
    alone = grid.Plan({}, (3,), None)
    assert (alone.cells, alone.varying) == ([({}, 3, None)], [])


def test_means_and_deviations_by_hand() -> None:
    rows = [row(0.1, 0.8, 0.7), row(0.2, 0.5, 0.5), row(0.1, 0.9, 0.9), row(0.2, 0.1, 0.1, halted=7)]
    one, other = grid.combine(rows, ["learning_rate"])
    assert (one.hyper, one.rows, one.halted) == ({"learning_rate": 0.1}, [0, 2], 0)
    assert one.means["test_accuracy"] == pytest.approx(0.8)
    assert one.deviations["test_accuracy"] == pytest.approx(0.2 / np.sqrt(2))  # of a sample: n − 1
    assert one.told("validation_accuracy") == "0.8500 ± 0.0707"
    assert (other.halted, other.told("test_accuracy")) == (1, "0.5000")
    told = grid.summarize(one, 0.95)
    assert told["learning_rate"] == 0.1
    assert told["models"] == 2
    assert told["validation_accuracy"] == pytest.approx({"mean": 0.85, "deviation": 0.1 / np.sqrt(2)})
    assert told["ensemble_test_accuracy"] == 0.95


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        # The mean of a combination comes first, the test split has no say.
        ([row(0.1, 0.95, 1.0), row(0.1, 0.5, 1.0), row(0.2, 0.8, 0.2), row(0.2, 0.9, 0.1)], 3),
        # Of equal ones the lower loss, then the first.
        ([row(0.1, 0.9, 0.5, 0.4), row(0.2, 0.9, 0.5, 0.3), row(0.3, 0.9, 0.5, 0.3)], 1),
        # A combination in which a model was halted is none to take.
        ([row(0.1, 0.9, 0.5), row(0.1, None, 0.5, halted=3), row(0.2, 0.4, 0.5)], 2),
        ([row(0.1, None, 0.5), row(0.2, None, 0.6)], None),
        ([row(0.1, None, 0.5, halted=0)], None),
    ],
)
def test_the_best_is_chosen_by_validation(rows: list[dict[str, Any]], best: int | None) -> None:
    assert grid.choose_best(rows, grid.combine(rows, ["learning_rate"])) == best


def test_the_points_of_the_picture() -> None:
    rows = [row(0.2, 0.5, 0.5), row(0.1, 0.8, 0.7), row(0.1, 0.9, 0.9), row(0.1, 0.0, 0.0, halted=1)]
    points = grid.points_of(rows, "learning_rate", "test_accuracy")
    assert points == [
        {"x": 0.1, "mean": pytest.approx(0.8), "deviation": pytest.approx(0.2 / np.sqrt(2))},
        {"x": 0.2, "mean": 0.5, "deviation": 0.0},
    ]


@pytest.mark.parametrize("varying", [["learning_rate", "momentum", "seed"], ["seed"], ["fold"]])
def test_it_is_drawn(tmp_path: Path, varying: list[str]) -> None:
    rows = [
        row(rate, rate, 0.5, momentum=momentum, seed=seed, fold=f"{seed}/2")
        for rate in (0.01, 0.1) for momentum in (0.5, 0.9) for seed in (0, 1)
    ]  # fmt: skip
    grid.draw(rows, varying, tmp_path / "drawn.png", "title")
    with Image.open(tmp_path / "drawn.png") as image:
        assert min(image.size) > 300


def test_models_together_are_right_where_the_mean_of_their_probabilities_is() -> None:
    # Of three samples the first model is sure and right at one, the second at another, and unsure at the rest.
    outputs = np.array([[[9.0, 0], [0, 0.1], [0, 0.1]], [[0, 0.1], [9.0, 0], [0.2, 0]], [[0, 9.0]] * 3])
    labels = np.array([0, 0, 1])
    test = data.Split(np.zeros((3, 1, 1, 1), np.uint8), labels, ("a", "b"), "made")
    trained = [
        train.Trained(train.Model("m"), cast(Any, None), data.normalization_of(test), np.zeros((1, 4)), halted)
        for halted in (None, None, 5)
    ]
    many = train.Many(trained, "in turns", "", lambda one, split: outputs[0])
    found = reporting.Found(grid.Plan({}, (0, 1, 2), None), many, losses.softmax_cross_entropy, test, test, 1.0)
    assert reporting.share_right(outputs[0], labels) == pytest.approx(2 / 3)
    assert reporting.share_right(outputs[1], labels) == pytest.approx(1 / 3)
    # Sample 3: probabilities of b are 0.525 and 0.450, their mean 0.488. The halted model has no vote.
    assert reporting.ensemble(found, outputs, [0, 1, 2]) == pytest.approx(2 / 3)
    assert reporting.ensemble(found, outputs, [2]) is None


def test_rows_are_written_and_read_and_printed(tmp_path: Path) -> None:
    rows = [{"a": 1, "note": 'x, "y"'}, {"a": None, "test_accuracy": 0.123456, "b": 0.05}]
    results.write_rows(tmp_path / "results.csv", rows)
    text = (tmp_path / "results.csv").read_bytes().decode()
    assert text == 'a,note,test_accuracy,b\n1,"x, ""y""",,\n,,0.123456,0.05\n'
    assert results.read_rows(tmp_path / "results.csv") == [
        {"a": "1", "note": 'x, "y"'},
        {"test_accuracy": "0.123456", "b": "0.05"},
    ]
    assert results.table(rows) == ["a  note    test_accuracy  b", '1  x, "y"', "           0.1235         0.05"]
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]
