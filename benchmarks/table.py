"""Measurements as rows of text or Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.measure import Measurement, Summary, fastest, ratio, summarize
from benchmarks.peers import JAX_LIBRARIES

RATIOS = {"÷ PyTorch": ("torch",), "÷ best JAX lib": JAX_LIBRARIES, "÷ plain JAX": ("plain",)}
"""The last columns, where one of these peers takes part: fnn's median as a share of the fastest of them; below 1, fnn
is faster."""


def show_ms(seconds: float) -> str:
    """Writes seconds as milliseconds with three digits."""
    ms = seconds * 1e3
    digits = 0 if abs(ms) >= 99.95 else 1 if abs(ms) >= 9.995 else 2 if abs(ms) >= 0.9995 else 3
    return f"{ms:.{digits}f}"


def show_summary(summary: Summary) -> str:
    """Writes `median [q1–q3]` in milliseconds."""
    return f"{show_ms(summary.median)} [{show_ms(summary.q1)}–{show_ms(summary.q3)}]"


def show_ratio(measurement: Measurement, peers: tuple[str, ...]) -> str:
    """Writes fnn's median as a share of the fastest of some peers, whose name is added where there is a choice."""
    best = fastest(measurement, peers)
    value = None if best is None else ratio(measurement, best)
    if value is None:
        return "–"
    return f"{value:.2f} {best}" if len(peers) > 1 else f"{value:.2f}"


class Table:
    """A table of one suite, whose rows can be written before all of them are known."""

    def __init__(self, peers: Sequence[str], subjects: Iterable[str], cases: Iterable[str]):
        self.peers = list(peers)
        self.ratios = {title: others for title, others in RATIOS.items() if set(others) & set(peers)}
        self.widths = [max(map(len, ["", *subjects])), max(map(len, ["case", *cases]))]

    def head(self) -> list[str]:
        """Returns the cells above the rows."""
        return ["", "case", *(f"{peer}, ms" if peer == "fnn" else peer for peer in self.peers), *self.ratios]

    def cells(self, measurement: Measurement) -> list[str]:
        """Returns a row's cells."""
        times = [measurement.seconds.get(peer) for peer in self.peers]
        shown = [show_summary(summarize(seconds)) if seconds else "–" for seconds in times]
        return [
            measurement.subject,
            measurement.case,
            *shown,
            *(show_ratio(measurement, others) for others in self.ratios.values()),
        ]

    def line(self, cells: Sequence[str]) -> str:
        """Aligns the cells of a row, or of the head, as text."""
        widths = [*self.widths, *[18] * len(self.peers), *(max(len(title), 13) for title in self.ratios)]
        sides = "<<" + ">" * (len(widths) - 2)
        padded = (f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True))
        return "  ".join(padded).rstrip()


def markdown(measurements: Sequence[Measurement], order: Sequence[str]) -> str:
    """Writes the measurements as Markdown, one table a suite, the fastest peer of each row in bold.

    Args:
      measurements: of one or more suites.
      order: of the peers' columns; a table has those that were measured.
    """
    parts = []
    for suite in dict.fromkeys(measurement.suite for measurement in measurements):
        rows = [measurement for measurement in measurements if measurement.suite == suite]
        peers = [peer for peer in order if any(peer in row.seconds for row in rows)]
        table = Table(peers, [], [])
        head = table.head()
        lines = [head, ["---", "---", *["---:"] * (len(head) - 2)]]
        for row in rows:
            cells, best = table.cells(row), fastest(row, tuple(peers))
            if best is not None:
                place = 2 + peers.index(best)
                cells[place] = f"**{cells[place]}**"
            lines.append(cells)
        body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        parts.append(f"### {suite}\n\nMedian [quartiles] in milliseconds; the ratios are fnn's median ÷ …\n\n{body}\n")
    return "\n".join(parts)
