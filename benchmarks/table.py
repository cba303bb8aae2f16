"""Measurements as rows of text or Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.measure import Measurement, Summary, fastest, ratio, summarize
from benchmarks.peers import JAX_LIBRARIES

RATIOS = ("÷ PyTorch", "÷ best JAX lib", "÷ plain JAX")
"""The last columns: fnn's median as a share of others'; below 1, fnn is faster."""


def show_ms(seconds: float) -> str:
    """Writes seconds as milliseconds with three digits."""
    ms = seconds * 1e3
    digits = 0 if abs(ms) >= 99.95 else 1 if abs(ms) >= 9.995 else 2 if abs(ms) >= 0.9995 else 3
    return f"{ms:.{digits}f}"


def show_summary(summary: Summary) -> str:
    """Writes `median [q1–q3]` in milliseconds."""
    return f"{show_ms(summary.median)} [{show_ms(summary.q1)}–{show_ms(summary.q3)}]"


def show_ratios(measurement: Measurement) -> list[str]:
    """Writes the three ratios, with the name of the fastest other JAX library."""
    best = fastest(measurement, JAX_LIBRARIES)
    ratios = (
        (ratio(measurement, "torch"), ""),
        (None if best is None else ratio(measurement, best), f" {best}"),
        (ratio(measurement, "plain"), ""),
    )
    return ["–" if value is None else f"{value:.2f}{name}" for value, name in ratios]


class Table:
    """A table of one suite, whose rows can be written before all of them are known."""

    def __init__(self, peers: Sequence[str], subjects: Iterable[str], cases: Iterable[str]):
        self.peers = list(peers)
        self.widths = [max(map(len, ["", *subjects])), max(map(len, ["case", *cases]))]

    def head(self) -> list[str]:
        """Returns the cells above the rows."""
        return ["", "case", *(f"{peer}, ms" if peer == "fnn" else peer for peer in self.peers), *RATIOS]

    def cells(self, measurement: Measurement) -> list[str]:
        """Returns a row's cells."""
        times = [measurement.seconds.get(peer) for peer in self.peers]
        shown = [show_summary(summarize(seconds)) if seconds else "–" for seconds in times]
        return [measurement.subject, measurement.case, *shown, *show_ratios(measurement)]

    def line(self, cells: Sequence[str]) -> str:
        """Aligns the cells of a row, or of the head, as text."""
        widths = [*self.widths, *[18] * len(self.peers), 9, 16, 11]
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
        lines = [table.head(), ["---", "---", *["---:"] * (len(peers) + len(RATIOS))]]
        for row in rows:
            cells, best = table.cells(row), fastest(row, tuple(peers))
            if best is not None:
                place = 2 + peers.index(best)
                cells[place] = f"**{cells[place]}**"
            lines.append(cells)
        body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        parts.append(f"### {suite}\n\nMedian [quartiles] in milliseconds; the ratios are fnn's median ÷ …\n\n{body}\n")
    return "\n".join(parts)
