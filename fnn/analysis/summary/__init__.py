"""What each layer of a network makes, costs and sees, read off the traced program."""

from fnn.analysis.summary.overview import summarize
from fnn.analysis.summary.rows import ReceptiveField, Row
from fnn.analysis.summary.table import Summary, show_bytes, show_count

__all__ = ["ReceptiveField", "Row", "Summary", "show_bytes", "show_count", "summarize"]
