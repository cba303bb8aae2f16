"""What in an image makes a network say what it says, and what its units wait for."""

from fnn.analysis.attribution.ascent import ascend
from fnn.analysis.attribution.grad_cam import grad_cam
from fnn.analysis.attribution.occlusion import cover, occlusion
from fnn.analysis.attribution.patches import TopPatches, seen_from, top_patches
from fnn.analysis.attribution.saliency import saliency
from fnn.analysis.attribution.score import Score, class_score, unit_score

__all__ = [
    "Score",
    "TopPatches",
    "ascend",
    "class_score",
    "cover",
    "grad_cam",
    "occlusion",
    "saliency",
    "seen_from",
    "top_patches",
    "unit_score",
]
