r"""See what the layers of a network detect, and what in an image it goes by.

Question: what do the units of each layer wait for, and which part of an image makes the network say what it says?

  python -m experiments.detectors
  python -m experiments.detectors --model=convnet --filters=32
  python -m experiments.detectors --dataset=cifar10 --model=convnet --init_from=runs/mine/weights.safetensors
  python -m experiments.detectors --epochs=0                            # of a network that has learnt nothing

The lecture's idea: a unit is a detector. Its filter shows what it waits for where it sees pixels itself; deeper, the
patches of real images that excite it most show it, and images that are changed until they excite it more. Which part of
one image matters is asked with three maps: saliency is the gradient of the class's score with respect to the pixels;
occlusion covers a square at each place and looks how far the score falls; Grad-CAM adds up a layer's maps, each with
the weight that the class's score gives it. A map is worth something if covering what it points at hurts: for each test
image the square that a map likes best is covered, with the mean grey, and the fall of the class's probability is
compared with that of squares anywhere.

Ascent climbs, with Adam, a unit's activation or a class's score, as a share of the highest that a test image has, less
--smoothness times the mean squared difference of neighbouring pixels and --decay times the mean squared distance from
the mean grey, in standard deviations: a Gaussian prior of smooth images near the mean. Pixels stay between black and
white. It begins at eight noises and keeps the highest.

Trains on the training split, or with --init_from takes what another run learnt. Writes into the working directory:

  result.json       the test accuracy; for each map by how much covering its square lowers the probability (mean and
                    standard error over images), and how often the class changes; for each layer how many pixels a unit
                    sees, how many of its strongest images are of one class, and how much more ascent excites it than
                    any test image; for each class the same of its score
  patches.png       the filters of the first layer; for some units of each layer the image that ascent makes, and what
                    they see of the test images that excite them most
  explanations.png  for some test images each map, and the image with the map's square covered
  classes.png       for each class the image that ascent makes of its score, the test image with the highest score, and
                    the mean of the test images
  covered.png       how much of the probability is left when the square of each map is covered

Expect over seeds 0 to 4 (mean ± deviation) that covering the most salient 3×3 pixels of 8×8 lowers the probability by
0.306 ± 0.049, the square that occlusion chooses by 0.643 ± 0.044, any square by 0.091 ± 0.006, and the worst by 0.686 ±
0.041. Grad-CAM comes to 0.16 ± 0.07 only: its maps of 4×4 places, each of which sees 14×14 pixels, are too coarse for
such small images. Occlusion asks nearly what is measured, so that it has to win. Of a unit's nine strongest images 0.64
± 0.05 are of one class in the first layer and 0.75 ± 0.02 in the second; of nine at random it would be 0.28. Ascent
excites the units of the first layer 1.32 ± 0.04 times as much as the best of 360 test images does, those of the second
1.5 ± 0.3 times, and raises the classes' scores to 1.9 ± 0.2 times. Half a minute on two cores.

Reference: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks"; Simonyan, Vedaldi & Zisserman
2014, "Deep inside convolutional networks: visualising image classification models and saliency maps"; Selvaraju et al.
2017, "Grad-CAM: visual explanations from deep networks via gradient-based localization".
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import fnn
from experiments import command, dataset, model, optimization, outcome
from experiments import detector_pictures as pictures
from experiments.command import FlagError
from experiments.explaining import ANYWHERE, MAPS, WORST, Explanation, explain
from experiments.stages import find_stages
from experiments.units import (
    TOP,
    Climb,
    Network,
    Seen,
    chance_of_one_class,
    climb_classes,
    first_filters,
    in_parts,
    look,
    look_at_units,
)
from fnn import analysis, data, train

flags.adopt_module_key_flags(dataset)
flags.adopt_module_key_flags(model)
flags.adopt_module_key_flags(optimization)
flags.adopt_module_key_flags(outcome)
EPOCHS = flags.DEFINE_integer(
    "epochs", None, "How often each training sample is seen; 40 by default, 0 with --init_from.", lower_bound=0
)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Samples a step.", lower_bound=1)
SAMPLES = flags.DEFINE_integer("samples", 1000, "How many test images are looked at, at most.", lower_bound=9)
LAYERS = flags.DEFINE_list(
    "layers",
    None,
    "Paths of the layers whose units are looked at, such as features/conv2; by default the last of each size of maps "
    "that learns.",
)
MAPS_OF = flags.DEFINE_string(
    "maps_of", None, "Path of the layer whose maps Grad-CAM adds up; the last with maps by default."
)
WINDOW = flags.DEFINE_integer(
    "window", None, "How many pixels long the covered square is; 3/8 of the shorter side by default.", lower_bound=1
)
IMAGES = flags.DEFINE_list(
    "images", None, "Which test images are drawn, from 0; by default one of each of six classes and two mistakes."
)
UNITS = flags.DEFINE_integer("units", 8, "How many units of each layer are drawn and climbed.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 256, "Of ascent.", lower_bound=1)
SMOOTHNESS = flags.DEFINE_float(
    "smoothness", 0.5, "What the mean squared difference of neighbouring pixels costs in ascent.", lower_bound=0
)
DECAY = flags.DEFINE_float("decay", 0.1, "What the mean squared distance from the mean grey costs.", lower_bound=0)

PLACES = 16
"""Squares are tried at so many places along an axis, at most."""


def main() -> None:
    """Trains, climbs, looks for what excites units, covers, and draws all of it."""
    training, _, test = dataset.load_splits()
    count = min(SAMPLES.value, len(test))
    if count < TOP:
        raise FlagError(f"--test_split: expected at least {TOP} images, got {count}")
    layer = model.make_network(training)
    paths, maps_path = choose_layers(layer, training.image_shape)
    drawn = command.integers(IMAGES, least=0) if IMAGES.value else None
    if drawn and max(drawn) >= count:
        raise FlagError(f"--images: there are {count}, from 0 to {count - 1}; got {max(drawn)}")
    run = outcome.begin(f"detectors-{dataset.name_of_dataset()}-{model.MODEL.value}")
    network = learn(layer, training)
    images = test.read(np.arange(count)) / np.float32(255)
    seen = look(network, images, test.labels[:count], paths)
    predicted = seen.outputs.argmax(axis=1)
    accuracy = float(np.mean(predicted == seen.labels))
    print(f"test accuracy {accuracy:.4f} on {count} images")
    title = f"{model.MODEL.value} on {dataset.name_of_dataset()}, seed {outcome.SEED.value}"
    climb = Climb(STEPS.value, SMOOTHNESS.value, DECAY.value, outcome.SEED.value)

    about_layers = ask_units(network, seen, paths, climb, run.workdir / "patches.png", title)
    about_classes = ask_classes(network, seen, climb, test.class_names, run.workdir / "classes.png", title)

    window = WINDOW.value or max(1, round(3 / 8 * min(images.shape[1:3])))
    stride = -(-max(images.shape[1:3]) // PLACES)
    explain_part = jax.jit(partial(explain, layer, maps_path, window, stride))
    found: Explanation = in_parts(
        lambda part, of: explain_part(network.params, network.state, network.normalization(part), of), images, predicted
    )
    about_covered = tell_covered(found, window, run.workdir / "covered.png", title)
    chosen = choose_images(seen.labels, predicted) if drawn is None else drawn
    pictures.draw_explanations(
        images, seen.labels, predicted, found, chosen, window, network.normalization.mean, test.class_names,
        run.workdir / "explanations.png", f"What matters in an image, {title}",
    )  # fmt: skip
    answer = {
        "dataset": dataset.DATASET.value,
        "model": model.MODEL.value,
        "images": count,
        "test_accuracy": accuracy,
        "window": window,
        "probability": float(found.probability.mean()),
        "covered": about_covered,
        "grad_cam_layer": maps_path,
        "layers": about_layers,
        "of_one_class_at_random": chance_of_one_class(seen.labels, outcome.SEED.value),
        "classes": about_classes,
    }
    outcome.finish(run, answer, __name__, dataset, model, optimization)


def choose_layers(layer: fnn.Layer, image_shape: tuple[int, ...]) -> tuple[list[str], str]:
    """Returns the paths of the layers whose units are looked at, and of the one whose maps Grad-CAM adds up."""
    x = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    params, state = jax.eval_shape(layer.init, jax.random.key(0), x)
    passages = jax.eval_shape(partial(fnn.intermediates, layer, train=False), params, state, x)[2]
    there = [passage.path for passage in passages if getattr(passage.y, "ndim", 0) == 4]
    stages = find_stages(passages)
    if not stages:
        raise FlagError(f"--model={model.MODEL.value} has no layer that makes maps; lenet5 and convnet have")
    for flag, asked in ((LAYERS, LAYERS.value or []), (MAPS_OF, [MAPS_OF.value] if MAPS_OF.value else [])):
        unknown = [path for path in asked if path not in there]
        if unknown:
            raise FlagError(f"--{flag.name}: no layer {unknown[0]!r} makes maps; there are {', '.join(there)}")
    return LAYERS.value or [stage.detector for stage in stages], MAPS_OF.value or stages[-1].maps


def learn(layer: fnn.Layer, training: dataset.AnySplit) -> Network:
    """Trains the network; with --init_from and no --epochs it stays as it was."""
    epochs = (0 if model.INIT_FROM.value else 40) if EPOCHS.value is None else EPOCHS.value
    size = min(BATCH_SIZE.value, len(training))
    optimizer = optimization.make_optimizer(max(epochs, 1) * -(-len(training) // size))
    if epochs:
        fitted = train.fit(
            layer, training, optimizer,
            epochs=epochs, batch_size=size, loss=optimization.LOSSES[optimization.LOSS.value], seed=outcome.SEED.value,
            scale_loss=model.PRECISION.value == "float16", progress=True,
        )  # fmt: skip
        return Network(layer, fitted.train_state.params, fitted.train_state.state, fitted.normalization)
    x = jax.ShapeDtypeStruct((1, *training.image_shape), jnp.float32)
    initial = train.init_train_state(layer, optimizer, outcome.SEED.value, x)
    return Network(layer, initial.params, initial.state, data.normalization_of(training))


def ask_units(
    network: Network, seen: Seen, paths: Sequence[str], climb: Climb, picture: Path, title: str
) -> dict[str, Any]:
    """Prints, draws and returns what excites the units of each layer."""
    shape = seen.images.shape[1:]
    fields = {row.path: row.receptive_field for row in analysis.summarize(network.layer, jnp.zeros((1, *shape))).rows}
    first, filters = first_filters(network, shape)
    rows = [pictures.row(f"{first}\nfilters", pictures.as_grey(filters[: UNITS.value]))]
    about = {}
    print(f"{'layer':28}{'sees':>9}{'of one class':>14}{'strongest':>11}{'climbed':>9}")
    for path in paths:
        field = fields[path]
        try:
            if field is None:
                raise ValueError("its pixels see no window of the image")
            units = look_at_units(network, seen, path, field, UNITS.value, climb)
        except ValueError as error:
            raise FlagError(f"--layers: {path}: {error}") from error
        about[path] = units.about
        sees = "×".join(map(str, units.about["sees"]))
        numbers = [units.about[name] for name in ("of_one_class", "strongest_activation", "climbed_activation")]
        print(f"{path:28}{sees:>9}" + "".join(f"{n:{width}.2f}" for n, width in zip(numbers, (14, 11, 9), strict=True)))
        rows += pictures.rows_of_units(path, units)
    analysis.draw_sheet(rows, picture, f"What excites units most: {title}; blue is outside of the image")
    return about


def ask_classes(
    network: Network, seen: Seen, climb: Climb, names: Sequence[str], picture: Path, title: str
) -> dict[str, Any]:
    """Draws what each class's score is highest for, and returns the scores."""
    climbed, reached = climb_classes(network, seen, climb)
    highest = seen.outputs.max(axis=0)
    pictures.draw_classes(climbed, reached, seen, names, picture, f"What classes' scores are highest for: {title}")
    return {
        "highest_score": float(highest.mean()),
        "climbed_score": float(reached.mean()),
        "climbed_above_every_image": float(np.mean(reached > highest)),
    }


def tell_covered(found: Explanation, window: int, picture: Path, title: str) -> dict[str, dict[str, float]]:
    """Prints, draws and returns by how much covering lowers the probability."""
    about = {}
    for name in (*MAPS, ANYWHERE, WORST):
        fall = np.asarray(found.falls[name])
        about[name] = {
            "fall": float(fall.mean()),
            "standard_error": float(fall.std(ddof=1) / np.sqrt(len(fall))),
            "class_changes": float(found.changes[name].mean()),
        }
    print(f"{f'covered, {window}×{window} pixels':28}{'probability falls by':>22}{'class changes':>15}")
    for name, of in about.items():
        print(f"{name:28}{of['fall']:14.3f} ± {of['standard_error']:.3f}{of['class_changes']:15.3f}")
    nothing = float(found.probability.mean())
    left = {"nothing": nothing} | {name: nothing - of["fall"] for name, of in about.items()}
    errors = {name: of["standard_error"] for name, of in about.items()}
    baselines = ["nothing", ANYWHERE, WORST]
    pictures.draw_left(left, errors, baselines, picture, f"Covering {window}×{window} pixels: {title}")
    return about


def choose_images(labels: np.ndarray, predicted: np.ndarray) -> list[int]:
    """Chooses the first image of each of six classes that was recognized, and the first two mistakes."""
    right, wrong = np.flatnonzero(predicted == labels), np.flatnonzero(predicted != labels)
    firsts = [right[labels[right] == of][0] for of in np.unique(labels[right])][:6]
    return [int(i) for i in (*sorted(firsts), *wrong[:2])]


if __name__ == "__main__":
    command.run(main)
