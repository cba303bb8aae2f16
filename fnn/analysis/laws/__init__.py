"""The laws that every layer obeys, by theme, and `check`, which examines a layer by them."""

from fnn.analysis.laws.check import LAWS, check
from fnn.analysis.laws.report import LawsError, Report, Row

__all__ = ["LAWS", "LawsError", "Report", "Row", "check"]
