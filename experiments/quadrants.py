"""What was found in the four quadrants of transfer learning, told and drawn. matplotlib is imported where it draws."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fnn.analysis.figure import BLUE, ORANGE, make_figure

FROM_SCRATCH = "from scratch"
"""The way of learning that all others are held against."""


class Found(NamedTuple):
    """The networks of one way in one quadrant, at the learning rate that was best on validation images."""

    rate: float
    validation: np.ndarray
    """`(seeds,)`, as `test`: accuracies."""
    test: np.ndarray

    def __str__(self) -> str:
        """Mean and standard deviation on the test images."""
        return f"{self.test.mean():.3f} ± {self.test.std(ddof=1):.3f}"

    def told(self) -> dict[str, Any]:
        """Returns what a result says of them."""
        return {
            "learning_rate": self.rate,
            "validation_accuracy": float(self.validation.mean()),
            "accuracies": self.test.tolist(),
            "mean": float(self.test.mean()),
            "deviation": float(self.test.std(ddof=1)),
        }


Quadrants = Mapping[str, Mapping[str, Found]]
"""By quadrant and way."""


def best_rate(rates: list[float], validation: np.ndarray, test: np.ndarray) -> Found:
    """Chooses the learning rate whose networks are best on validation images.

    Args:
      rates: that were tried.
      validation: `(rates, seeds)`, as `test`: accuracies.
      test: those that are told of the chosen rate.
    """
    best = validation.mean(axis=-1).argmax()
    return Found(rates[best], validation[best], test[best])


def gain(ways: Mapping[str, Found]) -> dict[str, Any]:
    """Compares the way of transfer that is best on validation images with training from scratch, seed by seed."""
    way = max((name for name in ways if name != FROM_SCRATCH), key=lambda name: ways[name].validation.mean())
    gains = ways[way].test - ways[FROM_SCRATCH].test
    return {"way": way, "gain": float(gains.mean()), "standard_error": float(gains.std(ddof=1) / len(gains) ** 0.5)}


def draw_quadrants(quadrants: Quadrants, path: Path, title: str) -> None:
    """Draws a panel for each of four quadrants, as a PNG: a bar with its deviation for each way, a point a seed."""
    figure, panels = make_figure(2, 2, (9, 5), sharex=True, sharey=True)
    for axes, (quadrant, ways) in zip(panels.flat, quadrants.items(), strict=True):
        for place, (name, found) in enumerate(ways.items()):
            colour = BLUE if name == FROM_SCRATCH else ORANGE
            label = "nothing taken over" if name == FROM_SCRATCH else "features taken over" if place == 1 else None
            axes.barh(
                place, found.test.mean(), xerr=found.test.std(ddof=1), color=colour, capsize=4, alpha=0.6, label=label
            )
            axes.plot(found.test, np.full(len(found.test), place), "o", color=colour, markersize=3)
            axes.text(1.03, place, str(found), va="center")
        axes.set_yticks(range(len(ways)), list(ways))
        axes.set(title=f"{quadrant} data", xlim=(0, 1.5), xticks=np.linspace(0, 1, 6))
        axes.grid(alpha=0.3, axis="x")
        axes.set_axisbelow(True)
    panels[0, 0].invert_yaxis()
    for axes in panels[1]:
        axes.set_xlabel("test accuracy: mean ± deviation, a point a seed")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(title)
    figure.savefig(path)
