"""Pictures of what layers detect. matplotlib is imported where it draws."""

from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.explaining import MAPS, Explanation, square
from experiments.units import Seen, Units
from fnn import analysis
from fnn.analysis.figure import BLUE, ORANGE, make_figure

OUTSIDE = (0.65, 0.82, 1.0)
"""The colour of what is outside of an image."""
SHOWN = 5
"""How many of a unit's strongest images are drawn."""


def row(label: str, images: np.ndarray, captions: Sequence[str] | None = None) -> analysis.SheetRow:
    """Makes a row of a sheet, in colour: what is NaN gets the colour of the outside."""
    coloured = np.clip(images if images.shape[-1] == 3 else np.repeat(images[..., :1], 3, axis=-1), 0, 1)
    return analysis.SheetRow(label, np.where(np.isnan(coloured), OUTSIDE, coloured), captions)


def rows_of_units(path: str, units: Units) -> list[analysis.SheetRow]:
    """Makes the rows of some units of a layer, a unit a column: what was climbed to, then its strongest images."""
    shown = np.arange(len(units.climbed))
    rows = [row(f"{path}\nclimbed to", units.climbed, [f"unit {unit}" for unit in shown])]
    for rank in range(SHOWN):
        activations = [f"{activation:.2f}" for activation in units.top.activations[shown, rank]]
        rows.append(row(f"strongest image {rank + 1}", units.top.patches[shown, rank], activations))
    return rows


def as_grey(filters: np.ndarray) -> np.ndarray:
    """Makes pictures of filters, `(units, height, width, channels)`: 0 is mid-grey, each filter as strong as can be."""
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    shown = 0.5 + filters / (2 * np.where(largest > 0, largest, 1))
    return shown if shown.shape[-1] in (1, 3) else shown.mean(axis=-1, keepdims=True)


def as_heat(maps: np.ndarray) -> np.ndarray:
    """Makes pictures of maps, `(images, height, width)`: dark is 0 or less, yellow each map's largest number."""
    from matplotlib import colormaps

    largest = maps.max(axis=(1, 2), keepdims=True)
    return colormaps["viridis"](np.clip(maps / np.where(largest > 0, largest, 1), 0, 1))[..., :3]


def draw_classes(
    climbed: np.ndarray, reached: np.ndarray, seen: Seen, names: Sequence[str], path: Path, title: str
) -> None:
    """Draws for each class the climbed image, the test image with the highest score and the mean, as a PNG."""
    classes = range(min(len(names), 12))
    highest = seen.outputs.argmax(axis=0)
    highest = highest[: len(classes)]
    of_class = [seen.images[seen.labels == label] for label in classes]
    means = [some.mean(axis=0) if len(some) else np.full(seen.images.shape[1:], np.nan) for some in of_class]
    scores = [f"{reached[label]:.1f}" for label in classes]
    best = [f"{seen.outputs[highest[label], label]:.1f}" for label in classes]
    rows = [
        row("climbed to", climbed[: len(classes)], [f"{names[i]}\nscore {scores[i]}" for i in classes]),
        row("highest test image", seen.images[highest], [f"score {best[i]}" for i in classes]),
        row("mean test image", np.asarray(means)),
    ]
    analysis.draw_sheet(rows, path, title)


def draw_explanations(
    images: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    found: Explanation,
    chosen: Sequence[int],
    window: int,
    grey: np.ndarray,
    names: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Draws each map of the chosen images, and the images with the map's square covered, as a PNG.

    Args:
      images: from 0 to 1.
      labels: `(images,)`.
      predicted: `(images,)`, the class that is explained.
      found: of all images.
      chosen: which of them are drawn.
      window: how many pixels long the square is.
      grey: `(channels,)`: what a covered pixel becomes.
      names: of the classes.
      path: where to.
      title: above all.
    """
    some = np.asarray(chosen)
    said = [names[predicted[i]] if predicted[i] == labels[i] else f"{names[predicted[i]]}, is {names[labels[i]]}"
            for i in chosen]  # fmt: skip
    captions = [f"{what}\n{found.probability[i]:.2f}" for what, i in zip(said, chosen, strict=True)]
    rows = [row("image, class that is\nseen, its probability", images[some], captions)]
    for name in MAPS:
        maps, middles = np.asarray(found.maps[name]), zip(found.rows[name], found.columns[name], strict=True)
        squares = [square(int(at), int(across), window) for at, across in middles]
        covered = images[some].copy()
        for image, i in zip(covered, chosen, strict=True):
            image[squares[i]] = grey
        left = [f"{found.probability[i] - found.falls[name][i]:.2f}" for i in chosen]
        rows += [row(name, as_heat(maps[some])), row("its square covered", covered, left)]
    analysis.draw_sheet(rows, path, title)


def draw_left(
    left: Mapping[str, float], errors: Mapping[str, float], baselines: Container[str], path: Path, title: str
) -> None:
    """Draws a bar for each probability that is left, with two standard errors to each side, as a PNG.

    Args:
      left: by what is covered, from top to bottom.
      errors: standard errors of some of them.
      baselines: which of them have another colour.
      path: where to.
      title: above all.
    """
    figure, axes = make_figure(1, 1, (8, 0.45 * len(left) + 1.4))
    colours = [ORANGE if name in baselines else BLUE for name in left]
    around = [2 * errors.get(name, 0.0) for name in left]
    axes.barh(list(left), list(left.values()), xerr=around, color=colours, error_kw={"capsize": 3})
    for place, (probability, error) in enumerate(zip(left.values(), around, strict=True)):
        axes.text(probability + error + 0.015, place, f"{probability:.2f}", va="center")
    axes.set(xlim=(0, 1.12), xlabel="probability that is left, mean ± 2 standard errors", title=title)
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")
    axes.set_axisbelow(True)
    figure.savefig(path)
