"""Rows of text and Markdown."""

import pytest

from benchmarks.measure import Measurement
from benchmarks.table import Table, markdown, show_ms

ROW = Measurement(
    "nets",
    "lenet5",
    "training_step",
    {"fnn": [0.010, 0.012, 0.014], "linen": [0.030], "stax": [0.024], "torch": [0.006], "plain": [0.012]},
)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(1.234567, "1235"), (0.1, "100"), (0.09994, "99.9"), (0.09996, "100"), (0.00999, "9.99"), (0.00001234, "0.012")],
)
def test_three_digits(seconds: float, shown: str) -> None:
    assert show_ms(seconds) == shown


def test_a_row_has_times_and_ratios() -> None:
    table = Table(["fnn", "stax", "linen", "nnx", "torch", "plain"], ["lenet5"], ["training_step"])
    cells = table.cells(ROW)
    assert cells[:2] == ["lenet5", "training_step"]
    assert cells[2:8] == [
        "12.0 [11.0–13.0]",
        "24.0 [24.0–24.0]",
        "30.0 [30.0–30.0]",
        "–",
        "6.00 [6.00–6.00]",
        "12.0 [12.0–12.0]",
    ]
    assert cells[8:] == ["2.00", "0.50 stax", "1.00"]
    lines = [table.line(cells) for cells in (table.head(), cells)]
    assert len(lines[0]) == len(lines[1])
    assert table.head()[8:] == ["÷ PyTorch", "÷ best JAX lib", "÷ plain JAX"]


def test_ratios_without_a_peer_are_left_out() -> None:
    assert Table(["fnn", "plain"], [], []).head() == ["", "case", "fnn, ms", "plain", "÷ plain JAX"]


def test_markdown_has_a_table_a_suite_and_the_fastest_in_bold() -> None:
    other = Measurement("imports", "python", "import", {"fnn": [1.0], "torch": [2.0]})
    text = markdown([ROW, other], ["fnn", "stax", "linen", "torch", "torch_compiled", "plain"])
    nets, imports = text.split("### ")[1:]
    assert "| lenet5 | training_step | 12.0 [11.0–13.0] |" in nets
    assert "**6.00 [6.00–6.00]**" in nets
    assert "torch_compiled" not in text
    assert "| python | import | **1000 [1000–1000]** | 2000 [2000–2000] | 0.50 |" in imports
    for part in (nets, imports):
        rows = [line for line in part.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) == 1
