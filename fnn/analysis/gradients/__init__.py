"""Derivatives held against finite differences."""

from fnn.analysis.gradients.check import GradientCheck, GradientError, check_gradients
from fnn.analysis.gradients.problem import Difference

__all__ = ["Difference", "GradientCheck", "GradientError", "check_gradients"]
