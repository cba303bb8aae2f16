"""A summary as text that fits a terminal, and as Markdown."""

import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from fnn.analysis.summary.rows import ReceptiveField, Row

_LEGEND = (
    "Multiply-adds are those of convolutions and matrix products; FLOPs are two for each, and one for each other "
    "floating-point operation. Training memory is what the gradient keeps, inference memory the most alive at once. "
    "Sees: the receptive field in input pixels, and the stride and the centre of the first; all: every pixel; –: none "
    "that is a window. Unseen: pixels of the layer's own input that reach no output."
)


@dataclass(frozen=True, repr=False)
class Summary:
    """What each layer of a network makes, costs and sees; `print` it."""

    rows: tuple[Row, ...]
    """The layers, each before those inside of it; of a network that holds no named layers, itself."""
    total: Row
    """The whole network."""
    notes: tuple[str, ...] = ()
    """What could not be told, and why."""

    @property
    def parameters(self) -> int:
        """How many numbers the network learns."""
        return self.total.parameters

    @property
    def multiply_adds(self) -> int:
        """Of convolutions and matrix products, for the whole batch."""
        return self.total.multiply_adds

    @property
    def flops(self) -> int:
        """Floating-point operations, for the whole batch: see `fnn.summarize`."""
        return self.total.flops

    def __str__(self) -> str:
        """The table, as wide as the terminal."""
        return self.text(shutil.get_terminal_size((120, 24)).columns)

    __repr__ = __str__

    def text(self, width: int | None = None) -> str:
        """Writes the table in lines of at most `width` characters, or as long as they come.

        Where they would be longer, names are shortened and then columns left out, those last that matter most; the
        last lines say which.
        """
        columns = [column for column in _COLUMNS if column.always or any(map(column.show, self.rows))]
        missing = []
        while True:
            lines = _align(columns, self.rows, self.total, width)
            droppable = [column for column in columns if column.rank]
            if width is None or max(map(len, lines)) <= width or not droppable:
                break
            least = max(droppable, key=lambda column: column.rank)
            columns.remove(least)
            missing.append(least.title)
        notes = [_LEGEND, *self.notes]
        if missing:
            notes.append(f"Too wide for {width} characters: {', '.join(missing)}. text() shows all.")
        return "\n".join([*lines, "", *(line for note in notes for line in _wrap(note, width or len(lines[1])))])

    def markdown(self) -> str:
        """Writes all columns as a Markdown table."""
        columns = [column for column in _COLUMNS if column.always or any(map(column.show, self.rows))]
        head = [column.title for column in columns]
        rule = [":---" if column.left else "---:" for column in columns]
        body = [[f"`{row.path}`", *(column.show(row) for column in columns[1:])] for row in self.rows]
        total = ["**total**", *(column.show(self.total) for column in columns[1:])]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body, total))
        return "\n\n".join([table, *[_LEGEND, *self.notes]]) + "\n"

    _repr_markdown_ = markdown


def show_count(number: int) -> str:
    """Writes a number with three digits and a unit: `15.5 G`."""
    value, units = float(number), iter(("", " k", " M", " G", " T", " P"))
    unit = next(units)
    while value >= 999.5:
        value, unit = value / 1000, next(units)
    return f"{number}{unit}" if not unit else f"{value:.{_digits(value)}f}{unit}"


def show_bytes(number: int | None) -> str:
    """Writes bytes with three digits and a unit: `12.2 MiB`."""
    if number is None:
        return "–"
    value, units = float(number), iter((" B", " KiB", " MiB", " GiB", " TiB"))
    unit = next(units)
    while value >= 999.5:
        value, unit = value / 1024, next(units)
    return f"{number}{unit}" if unit == " B" else f"{value:.{_digits(value)}f}{unit}"


def _digits(value: float) -> int:
    return 0 if value >= 99.95 else 1 if value >= 9.995 else 2


def show_output(output: Any) -> str:
    """Writes shapes and dtypes as JAX does: `float32[1,224,224,3]`."""
    return ", ".join(f"{leaf.dtype.name}[{','.join(map(str, leaf.shape))}]" for leaf in jax.tree.leaves(output))


def _show_fields(row: Row, entry: Callable[[ReceptiveField], Sequence[Any]]) -> str:
    """Writes one entry of each receptive field: once where it is the same along all axes."""
    several = len({field.input for field in row.receptive_fields}) > 1
    shown = []
    for field in row.receptive_fields:
        values = entry(field)
        words = ["–" if value is None else value if isinstance(value, str) else f"{value:g}" for value in values]
        text = words[0] if len(set(words)) == 1 else "×".join(words)
        shown.append(f"{field.input} {text}" if several else text)
    return ", ".join(dict.fromkeys(shown)) or "–"


def _size(field: ReceptiveField) -> Sequence[Any]:
    return ["all" if whole else size for size, whole in zip(field.size, field.whole, strict=True)]


def _show_unseen(row: Row) -> str:
    if not any(row.unseen):
        return ""
    return str(row.unseen[0]) if len(set(row.unseen)) == 1 else "×".join(map(str, row.unseen))


class _Column(NamedTuple):
    title: str
    show: Callable[[Row], str]
    rank: int = 0
    """The highest is left out first; those of rank 0 never are."""
    left: bool = False
    always: bool = True


def _name(row: Row) -> str:
    *outside, name = row.path.split("/")
    return "  " * len(outside) + name


_COLUMNS = (
    _Column("layer", _name, left=True),
    _Column("output", lambda row: show_output(row.output), 1, left=True),
    _Column("parameters", lambda row: f"{row.parameters:,}" if "#" not in row.path else f"({row.parameters:,})"),
    _Column("mult-adds", lambda row: show_count(row.multiply_adds), 2),
    _Column("FLOPs", lambda row: show_count(row.flops), 7),
    _Column("training", lambda row: show_bytes(row.training_bytes), 5),
    _Column("inference", lambda row: show_bytes(row.inference_bytes), 8),
    _Column("sees", lambda row: _show_fields(row, _size), 3),
    _Column("stride", lambda row: _show_fields(row, lambda field: field.stride), 4),
    _Column("centre", lambda row: _show_fields(row, lambda field: field.centre), 9),
    _Column("unseen", _show_unseen, 6, always=False),
)


def _align(columns: Sequence[_Column], rows: Sequence[Row], total: Row, width: int | None) -> list[str]:
    head = [column.title for column in columns]
    body = [[column.show(row) for column in columns] for row in rows]
    foot = ["total", *(column.show(total) for column in columns[1:])]
    widths = [max(map(len, cells)) for cells in zip(head, *body, foot, strict=True)]
    if width is not None:
        rest = sum(widths[1:]) + 2 * len(widths[1:])
        widths[0] = min(widths[0], max(width - rest, 12))

    def line(cells: Sequence[str]) -> str:
        name, *others = cells
        aligned = [f"{_shorten(name, widths[0]):<{widths[0]}}"]
        for cell, size, column in zip(others, widths[1:], columns[1:], strict=True):
            aligned.append(f"{cell:{'<' if column.left else '>'}{size}}")
        return "  ".join(aligned).rstrip()

    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    return [line(head), rule, *map(line, body), rule, line(foot)]


def _shorten(name: str, size: int) -> str:
    if len(name) <= size:
        return name
    kept = size - 1
    return f"{name[: kept - kept // 2]}…{name[len(name) - kept // 2 :]}"


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 20))
