"""Rows of results: as a file of comma-separated values, and as a table in a terminal."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Lists the columns that any row has, each where it came first."""
    return list(dict.fromkeys(name for row in rows for name in row))


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Writes rows as CSV, None as nothing; whoever reads finds the old file or the new one, never a part."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns_of(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    beside = path.with_name(path.name + ".part")
    beside.write_text(text.getvalue(), encoding="utf-8", newline="")
    os.replace(beside, path)  # noqa: PTH105 - the one that is atomic on every system


def read_rows(path: Path) -> list[dict[str, str]]:
    """Reads what `write_rows` wrote, all of it as text; what is nothing is left out."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]


def table(rows: Sequence[Row]) -> list[str]:
    """Returns the lines of a table, its head first; accuracies and losses with four digits."""
    columns = columns_of(rows)
    cells = [columns, *([_cell(name, row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column.endswith(("accuracy", "loss")):
        try:
            return f"{float(value):.4f}"
        except ValueError:
            pass
    return str(value)
