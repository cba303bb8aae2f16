"""Looking at networks and runs."""

from fnn.analysis.circuit import Circuit, backprop
from fnn.analysis.gradients import Difference, GradientCheck, GradientError, check_gradients
from fnn.analysis.pictures import draw_confusion, draw_learning_curve
from fnn.analysis.scales import ScalePanel, draw_scales
from fnn.analysis.sheet import SheetRow, draw_sheet
from fnn.analysis.sizes import Size, draw_sizes
from fnn.analysis.summary import ReceptiveField, Row, Summary, show_bytes, show_count, summarize

__all__ = ["ScalePanel", "SheetRow", "draw_confusion", "draw_learning_curve", "draw_scales", "draw_sheet"]
__all__ = [
    "Circuit",
    "Difference",
    "GradientCheck",
    "GradientError",
    "SheetRow",
    "backprop",
    "check_gradients",
    "draw_confusion",
    "draw_learning_curve",
    "draw_sheet",
__all__ = [
    "ReceptiveField",
    "Row",
    "SheetRow",
    "Size",
    "Summary",
    "draw_confusion",
    "draw_learning_curve",
    "draw_sheet",
    "draw_sizes",
    "show_bytes",
    "show_count",
    "summarize",
]
