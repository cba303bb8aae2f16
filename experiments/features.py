r"""Compare features made by hand and a linear classifier with a ConvNet trained end to end.

Question: what is a network that learns its own features worth, against those that people thought of?

  python -m experiments.features
  python -m experiments.features --dataset=cifar10 --epochs=20 --batch_size=128

The lecture's idea: before 2012 one computed features, such as a histogram of colours or of the orientations of edges,
and trained only a linear classifier on top. A ConvNet has the same classifier at its end and learns what comes before
it from the same labels.

Linear classifiers learn from the pixels themselves, from a histogram of each channel, from histograms of oriented
gradients (HOG), and from both histograms; a ConvNet from the pixels. Writes into the working directory:

  result.json     for each of them the number of features and of parameters, and the accuracies on both splits
  accuracies.png  the test accuracies
  features.png    a few images with their edges and histograms

Expect on digits test accuracies of 0.964 ± 0.001 from pixels, 0.263 ± 0.001 from the histogram, 0.953 ± 0.003 from HOG,
0.954 ± 0.004 from both and 0.990 ± 0.003 of the ConvNet (mean ± deviation over seeds 0 to 4): digits of 8×8 pixels
leave HOG little to see. Half a minute on two cores.

Reference: Dalal & Triggs 2005, "Histograms of oriented gradients for human detection"; Swain & Ballard 1991, "Color
indexing"; LeCun et al. 1998, "Gradient-based learning applied to document recognition".
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from tqdm import tqdm

from experiments import command, dataset, outcome
from experiments.bars import draw_accuracies
from experiments.command import FlagError
from experiments.vectors import fit_vectors
from fnn import train
from fnn.analysis.figure import BLUE, GREEN, ORANGE, make_figure
from fnn.models import convnet, linear_classifier

flags.adopt_module_key_flags(dataset)
flags.adopt_module_key_flags(outcome)
BINS = flags.DEFINE_integer("bins", 8, "Of the histogram of each channel.", lower_bound=2, upper_bound=256)
ORIENTATIONS = flags.DEFINE_integer("orientations", 9, "Directions of gradients that HOG tells apart.", lower_bound=1)
CELL = flags.DEFINE_integer(
    "cell", None, "Pixels of a side of HOG's cells; a quarter of the image's by default.", lower_bound=2
)
FILTERS = flags.DEFINE_integer("filters", 32, "Features of each convolution of the ConvNet.", lower_bound=1)
EPOCHS = flags.DEFINE_integer("epochs", 60, "How often each training sample is seen.", lower_bound=1)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Samples a step.", lower_bound=1)
WEIGHT_DECAY = flags.DEFINE_float("weight_decay", 0.001, "λ of the decay of kernels.", lower_bound=0)
LEARNING_RATE = flags.DEFINE_float("learning_rate", 0.02, "Of SGD with momentum, for the ConvNet.", lower_bound=0)
LINEAR_LEARNING_RATE = flags.DEFINE_float(
    "linear_learning_rate", 0.003, "Of Adam, for linear classifiers.", lower_bound=0
)

EXAMPLES = 6
END_TO_END = "ConvNet, end to end"
CHANNELS = {"red": ORANGE, "green": GREEN, "blue": BLUE}


def main() -> None:
    """Computes features, trains, tells how well each does, draws."""
    training, _, test = dataset.load_splits()
    if BATCH_SIZE.value > len(training):
        raise FlagError(
            f"--batch_size must be at most {len(training)}, the training split's size, got {BATCH_SIZE.value}"
        )
    cell = CELL.value or max(2, min(training.image_shape[:2]) // 4)
    if min(training.image_shape[:2]) < 2 * cell:
        raise FlagError(f"--cell: two cells of {cell} pixels do not fit in images of {training.image_shape[:2]}")
    run = outcome.begin(f"features-{dataset.name_of_dataset()}")
    (train_images, train_labels), (test_images, test_labels) = (
        (split.read(np.arange(len(split))), split.labels) for split in (training, test)
    )
    features = {name: describe(images, cell) for name, images in (("train", train_images), ("test", test_images))}
    table: dict[str, dict[str, Any]] = {}
    steps = EPOCHS.value * (len(training) // BATCH_SIZE.value)
    for name, vectors in features["train"].items():
        optimizer = train.make_optimizer(
            "adam", LINEAR_LEARNING_RATE.value, steps, schedule="cosine", weight_decay=WEIGHT_DECAY.value
        )
        classes = len(training.class_names)
        scores = fit_vectors(
            linear_classifier(classes), vectors, train_labels, optimizer,
            epochs=EPOCHS.value, batch_size=BATCH_SIZE.value, seed=outcome.SEED.value,
        )  # fmt: skip
        table[f"{name}, linear"] = {
            "features": vectors.shape[1],
            "parameters": (vectors.shape[1] + 1) * classes,
            "train_accuracy": float(np.mean(scores(vectors).argmax(axis=1) == train_labels)),
            "test_accuracy": float(np.mean(scores(features["test"][name]).argmax(axis=1) == test_labels)),
        }
    table[END_TO_END] = train_end_to_end(training, test, steps)

    print(f"{'on ' + training.source:34}{'features':>10}{'parameters':>12}{'training':>10}{'test':>8}")
    for name, row in table.items():
        print(
            f"{name:34}{row['features']:10,}{row['parameters']:12,}{row['train_accuracy']:10.4f}{row['test_accuracy']:8.4f}"
        )
    accuracies = {name: row["test_accuracy"] for name, row in table.items()}
    title = f"Linear classifiers and a ConvNet on {dataset.name_of_dataset()}, seed {outcome.SEED.value}"
    draw_accuracies(accuracies, [END_TO_END], run.workdir / "accuracies.png", title)
    draw_features(train_images[:EXAMPLES], cell, run.workdir / "features.png")
    outcome.finish(run, {"dataset": dataset.DATASET.value, "accuracies": table}, __name__, dataset)


def describe(images: np.ndarray, cell: int) -> dict[str, np.ndarray]:
    """Describes images by vectors: `(samples, features)`, float32, one for each way of describing.

    Args:
      images: `(samples, height, width, channels)`, uint8.
      cell: pixels of a side of HOG's cells.
    """
    counts = histograms(images)
    gradients = np.stack([hog(image, cell).ravel() for image in tqdm(images, desc="HOG", leave=False, disable=None)])
    return {
        "pixels": images.reshape(len(images), -1).astype(np.float32) / 255,
        "histogram": counts,
        "HOG": gradients.astype(np.float32),
        "histogram and HOG": np.concatenate([counts, gradients], axis=1).astype(np.float32),
    }


def histograms(images: np.ndarray) -> np.ndarray:
    """Counts how often each channel is how bright: `(samples, channels · bins)`, float32, as shares of the pixels."""
    bins = images.astype(np.int32) * BINS.value // 256
    counts = [(bins == number).mean(axis=(1, 2)) for number in range(BINS.value)]  # each `(samples, channels)`
    return np.stack(counts, axis=-1).reshape(len(images), -1).astype(np.float32)


def hog(image: np.ndarray, cell: int, block: int = 2) -> np.ndarray:
    """Returns the histograms of an image's oriented gradients, normalized over blocks of cells.

    Args:
      image: `(height, width, channels)`, uint8.
      cell: pixels of a side of a cell.
      block: cells of a side of a block.

    Returns:
      `(block rows, block columns, cell rows in a block, cell columns in a block, orientations)`.
    """
    from skimage.feature import hog as scikit_image_hog

    return scikit_image_hog(
        image, ORIENTATIONS.value, (cell, cell), (block, block), channel_axis=-1, feature_vector=False
    )


def train_end_to_end(training: dataset.AnySplit, test: dataset.AnySplit, steps: int) -> dict[str, Any]:
    """Trains a ConvNet on the images."""
    optimizer = train.make_optimizer(
        "sgd", LEARNING_RATE.value, steps, schedule="warmup_cosine", momentum=0.9, weight_decay=WEIGHT_DECAY.value
    )
    try:
        network = convnet(len(training.class_names), filters=FILTERS.value)
        fitted = train.fit(
            network, training, optimizer,
            epochs=EPOCHS.value, batch_size=BATCH_SIZE.value, seed=outcome.SEED.value, progress=True,
        )  # fmt: skip
    except ValueError as error:
        raise FlagError(str(error)) from error
    kernel = fitted.train_state.params["head"]["kernel"]
    return {
        "features": kernel.shape[0],
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(fitted.train_state.params)),
        "train_accuracy": fitted.evaluate(training).accuracy,
        "test_accuracy": fitted.evaluate(test).accuracy,
    }


def draw_features(images: np.ndarray, cell: int, path: Path) -> None:
    """Draws images above their edges, a stroke for each orientation in each cell, and their histograms, as a PNG."""
    from matplotlib.collections import LineCollection

    figure, grid = make_figure(3, len(images), (1.9 * len(images), 5.9), squeeze=False, sharey="row")
    for (above, middle, below), image in zip(grid.T, images, strict=True):
        colour = image.shape[-1] == 3
        for axes, alpha in ((above, 1.0), (middle, 0.35)):
            shown = image if colour else image[..., 0]
            axes.imshow(shown, cmap="gray", vmin=0, vmax=255, alpha=alpha, aspect="auto")
            axes.set_xticks([])
            axes.set_yticks([])
        middle.add_collection(LineCollection(list(strokes(hog(image, cell, block=1)[:, :, 0, 0], cell)), color=ORANGE))
        counts = histograms(image[None]).reshape(-1, BINS.value)
        for shares, name, line in zip(counts, CHANNELS if colour else ["grey"], ("-", "--", ":"), strict=False):
            below.stairs(shares, np.arange(BINS.value + 1), color=CHANNELS.get(name, "0.3"), linestyle=line, label=name)
        below.set(xlabel="brightness, bin", ylim=(0, 1))
        below.locator_params(axis="x", integer=True)
    for axes, name in zip(grid[:, 0], ("image", "edges that HOG sees", "share of the pixels"), strict=True):
        axes.set_ylabel(name)
    grid[2, 0].legend()
    figure.suptitle("Images and what features made by hand keep of them")
    figure.savefig(path)


def strokes(cells: np.ndarray, cell: int) -> np.ndarray:
    """Returns a line along the edge for each orientation in each cell, as long as it is strong: `(lines, ends, xy)`.

    Args:
      cells: `(rows, columns, orientations)`, as `hog` makes them of single cells; gradients, so across the edge.
      cell: pixels of a side of a cell.
    """
    rows, columns, orientations = cells.shape
    angle = np.pi * (np.arange(orientations) + 0.5) / orientations + np.pi / 2
    along = np.stack([np.cos(angle), np.sin(angle)], axis=-1)  # (orientations, 2)
    middle = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1) * cell + (cell - 1) / 2
    half = cells[..., None] * along * cell / 2
    ends = np.stack([middle[:, :, None] - half, middle[:, :, None] + half], axis=-2)
    return ends.reshape(-1, 2, 2)


if __name__ == "__main__":
    command.run(main)
