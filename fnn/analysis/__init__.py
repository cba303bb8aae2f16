"""Looking at layers, networks and runs."""

from fnn.analysis.attribution import (
    Score,
    TopPatches,
    ascend,
    class_score,
    cover,
    grad_cam,
    occlusion,
    saliency,
    seen_from,
    top_patches,
    unit_score,
)
from fnn.analysis.circuit import Circuit, backprop
from fnn.analysis.gradients import Difference, GradientCheck, GradientError, check_gradients
from fnn.analysis.laws import LAWS, LawsError, Report, check
from fnn.analysis.mistakes import Confusion, draw_hardest, hardest, most_confused
from fnn.analysis.pictures import draw_confusion, draw_learning_curve, draw_range_test
from fnn.analysis.scales import ScalePanel, draw_scales
from fnn.analysis.sheet import SheetRow, draw_sheet
from fnn.analysis.sizes import Size, draw_sizes
from fnn.analysis.summary import ReceptiveField, Row, Summary, show_bytes, show_count, summarize

__all__ = [
    "Circuit",
    "Confusion",
    "Difference",
    "GradientCheck",
    "GradientError",
    "LAWS",
    "LawsError",
    "ReceptiveField",
    "Report",
    "Row",
    "ScalePanel",
    "SheetRow",
    "Size",
    "Summary",
    "Score",
    "TopPatches",
    "ascend",
    "backprop",
    "check",
    "check_gradients",
    "class_score",
    "cover",
    "draw_confusion",
    "draw_hardest",
    "draw_learning_curve",
    "draw_range_test",
    "draw_scales",
    "draw_sheet",
    "draw_sizes",
    "grad_cam",
    "hardest",
    "most_confused",
    "occlusion",
    "saliency",
    "seen_from",
    "show_bytes",
    "show_count",
    "summarize",
    "top_patches",
    "unit_score",
]
