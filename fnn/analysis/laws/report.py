"""What became of each law."""

import textwrap
from dataclasses import dataclass
from typing import Literal, NamedTuple

Outcome = Literal["holds", "broken", "does not apply"]


class Row(NamedTuple):
    """One law's outcome."""

    law: str
    outcome: Outcome
    message: str
    """What is wrong and where, or why the law does not apply; empty where it holds."""
    reason: str
    """Why somebody relies on the law."""


@dataclass(frozen=True)
class Report:
    """The outcome of every law; `str` tells it, `bool` says whether none is broken."""

    subject: str
    """What was examined: `"dense, given x of shape (4, 6)"`."""
    rows: tuple[Row, ...]

    @property
    def broken(self) -> tuple[Row, ...]:
        """The laws that do not hold."""
        return tuple(row for row in self.rows if row.outcome == "broken")

    def __bool__(self) -> bool:
        return not self.broken

    def __str__(self) -> str:
        counts = {outcome: sum(row.outcome == outcome for row in self.rows) for outcome in ("holds", "broken")}
        lines = [f"{self.subject}: {counts['holds']} laws hold, {counts['broken']} broken."]
        for row in sorted(self.rows, key=lambda row: ("broken", "holds", "does not apply").index(row.outcome)):
            sign = {"holds": "  ok  ", "broken": "BROKEN", "does not apply": "   –  "}[row.outcome]
            lines.append(f"{sign} {row.law}")
            if row.outcome == "broken":
                lines += [textwrap.indent(row.message, " " * 9), f"         Why it matters: {row.reason}"]
            elif row.message:
                lines[-1] += f" ({row.message})"
        return "\n".join(lines)


class LawsError(AssertionError):
    """Raised by `check(…, strict=True)`; its text is the report's, which it holds as `report`."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report
