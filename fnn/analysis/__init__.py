"""Looking at networks and runs."""

from fnn.analysis.pictures import draw_confusion, draw_learning_curve

__all__ = ["draw_confusion", "draw_learning_curve"]
