r"""See why linear layers collapse: however deep, a linear network is one matrix.

Question: what does a network gain from more layers if there is nothing between them?

  python -m experiments.collapse
  python -m experiments.collapse --depths=1,4,16,64 --width=128

The lecture's idea: `(x W₁ + b₁) W₂ + b₂ = x (W₁ W₂) + (b₁ W₂ + b₂)`, and so on: layers without an activation between
them can do no more than a single one. With a ReLU between them they are no longer linear, and no matrix replaces them.

Random networks of several depths, with and without ReLU, are compared with the single matrix that comes nearest: for
the linear ones the product of their matrices, for the others the best that least squares finds. Then three classifiers
learn two circles, one round the other: one layer, a deep linear network, the same with ReLU. Writes into the working
directory:

  result.json      by depth, how far the networks are from one matrix, and their parameters; the three accuracies on new
                   points, and how far the trained deep linear network is from the product of its matrices
  one_matrix.png   the difference by depth
  regions.png      how the three divide the plane

Expect linear networks of any depth within 1e-6 of the product of their matrices, which is what float32 rounds. With
ReLU the best matrix misses 0.42 of the output of 2 layers and 0.74 of that of 16 (root of the unexplained variance). On
the circles one layer and four linear layers stay at chance, 0.49 ± 0.05; with ReLU it is 0.98 ± 0.01 (mean ± standard
deviation over seeds 0 to 4). 10 seconds on two cores.

Reference: Goodfellow, Bengio & Courville 2016, "Deep learning", section 6.1; Minsky & Papert 1969, "Perceptrons".
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import fnn
from experiments import command, outcome, plane
from experiments.descent import descend
from fnn import losses
from fnn.analysis.figure import LINES, make_figure
from fnn.keys import named_key
from fnn.layer import Params

flags.adopt_module_key_flags(outcome)
DEPTHS = flags.DEFINE_list("depths", ["1", "2", "4", "8", "16"], "Layers of the random networks.")
WIDTH = flags.DEFINE_integer("width", 64, "Inputs, outputs and hidden units of the random networks.", lower_bound=1)
NETWORKS = flags.DEFINE_integer("networks", 10, "Random networks of each depth.", lower_bound=1)
SAMPLES = flags.DEFINE_integer("samples", 2000, "Random inputs on which they are compared.", lower_bound=2)
CLASSIFIER_DEPTH = flags.DEFINE_integer("classifier_depth", 4, "Layers of the deep classifiers.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 500, "Steps of training the classifiers.", lower_bound=1)

POINTS, NOISE, HIDDEN, LEARNING_RATE = 300, 0.1, 16, 0.02  # of the circles and of what learns them
WINDOW = plane.Window(-1.3, 1.3, 131)


def main() -> None:
    """Compares networks with matrices, trains classifiers, draws."""
    depths = command.integers(DEPTHS)
    if SAMPLES.value < 2 * WIDTH.value:
        raise command.FlagError("--samples must be at least twice --width: a matrix explains any few samples")
    run = outcome.begin("collapse")
    linear = [distance_from_matrix(depth, fnn.Identity) for depth in depths]
    relu = [distance_from_matrix(depth, fnn.Relu) for depth in depths]
    print("layers   linear   with ReLU   (distance from one matrix, as a share of the output)")
    for depth, *distances in zip(depths, linear, relu, strict=True):
        print(f"{depth:6}{distances[0]:9.0e}{distances[1]:12.2f}")
    draw_distances(depths, {"linear": linear, "with ReLU": relu}, run.workdir / "one_matrix.png")

    deep = CLASSIFIER_DEPTH.value
    contenders = {
        "one layer": (1, fnn.Identity),
        f"{deep} linear layers": (deep, fnn.Identity),
        f"{deep} layers with ReLU": (deep, fnn.Relu),
    }
    train, test = (plane.draw("circles", part, POINTS, NOISE, outcome.SEED.value) for part in ("train", "test"))
    circles, panels = {}, []
    for name, (depth, activation) in contenders.items():
        network = make_network(depth, HIDDEN, 2, activation)
        params = learn(network, train)
        scores, everywhere = (network.apply(params, {}, xy, train=False)[0] for xy in (test.xy, WINDOW.lattice()))
        accuracy = float(np.mean(np.argmax(scores, axis=-1) == test.labels))
        circles[name] = {"test_accuracy": accuracy}
        said = f"{name}: {accuracy:.0%} of new points right"
        if activation is fnn.Identity:
            circles[name]["distance"] = distance(scores, np.insert(test.xy, 0, 1, axis=1) @ multiply_out(params))
            said += f"; distance from the product of its matrices {circles[name]['distance']:.0e}"
        panels.append(plane.Panel(f"{name}\n{accuracy:.0%} of new points right", train, everywhere.argmax(axis=-1)))
        print(said)
    title = f"Depth without an activation draws a straight line (seed {outcome.SEED.value})"
    plane.draw_regions(panels, 3, WINDOW, run.workdir / "regions.png", title, ("x1", "x2"))
    answer = {"layers": depths, "distance_linear": linear, "distance_relu": relu, "circles": circles}
    outcome.finish(run, answer, __name__)


def make_network(depth: int, width: int, outputs: int, activation: fnn.Layer) -> fnn.Layer:
    """Makes `depth` dense layers with an activation between them, `dense1` to `denseDEPTH`."""
    layers: dict[str, fnn.Layer] = {}
    for i in range(1, depth + 1):
        layers[f"dense{i}"] = fnn.Dense(width if i < depth else outputs, kernel_init="he_normal", bias_init="normal")
        if i < depth:
            layers[f"act{i}"] = activation
    return fnn.serial(**layers)


def multiply_out(params: Params) -> np.ndarray:
    """Returns the one matrix `(1 + inputs, outputs)` of a linear network, its offset first, in float64."""
    inputs = params["dense1"]["kernel"].shape[0]
    matrix = np.eye(1 + inputs)[:, 1:]  # takes [1, x] to x
    for i in range(1, len(params) + 1):
        layer = params[f"dense{i}"]
        matrix = matrix @ np.asarray(layer["kernel"], np.float64)
        matrix[0] += np.asarray(layer["bias"], np.float64)
    return matrix


def distance(outputs: np.ndarray, others: np.ndarray) -> float:
    """Returns how far two sets of outputs are apart, as a share of the spread of the first about its mean."""
    return float(np.linalg.norm(outputs - others) / np.linalg.norm(outputs - outputs.mean(axis=0)))


def distance_from_matrix(depth: int, activation: fnn.Layer) -> float:
    """Returns how far random networks are from the nearest matrix: the product of theirs, or that of least squares."""
    network = make_network(depth, WIDTH.value, WIDTH.value, activation)
    key = named_key(jax.random.key(outcome.SEED.value), f"random/{depth}")
    x = jax.random.normal(named_key(key, "x"), (SAMPLES.value, WIDTH.value))
    with_one = np.insert(np.asarray(x, np.float64), 0, 1, axis=1)

    def make(key: jax.Array) -> tuple[Params, jax.Array]:
        params, _ = network.init(key, x)
        return params, network.apply(params, {}, x, train=False)[0]

    # Not in one jit, because XLA would take long to compile the random numbers of many layers.
    params, outputs = jax.vmap(make)(jax.random.split(key, NETWORKS.value))
    outputs = np.asarray(outputs, np.float64)  # (networks, samples, outputs)
    if activation is fnn.Identity:
        each = [jax.tree.map(lambda leaf, i=i: leaf[i], params) for i in range(NETWORKS.value)]
        matrices = np.stack([multiply_out(params) for params in each])
    else:
        side_by_side = outputs.transpose(1, 0, 2).reshape(SAMPLES.value, -1)
        nearest, *_ = np.linalg.lstsq(with_one, side_by_side)
        matrices = nearest.reshape(1 + WIDTH.value, NETWORKS.value, -1).transpose(1, 0, 2)
    return float(np.mean([distance(*pair) for pair in zip(outputs, with_one @ matrices, strict=True)]))


def learn(network: fnn.Layer, points: plane.Points) -> Params:
    """Trains a classifier of points."""

    def loss(params: Params) -> jax.Array:
        scores, _ = network.apply(params, {}, points.xy, train=True)
        return losses.softmax_cross_entropy(scores, jnp.asarray(points.labels)).mean()

    params, _ = network.init(named_key(jax.random.key(outcome.SEED.value), "circles"), points.xy)
    params, _ = jax.jit(lambda params: descend(loss, params, optax.adam(LEARNING_RATE), STEPS.value))(params)
    return params


def draw_distances(depths: Sequence[int], distances: Mapping[str, Sequence[float]], path: Path) -> None:
    """Draws how far networks are from one matrix, by their number of layers, as a PNG."""
    figure, axes = make_figure(1, 1, (6, 4))
    for (name, values), line in zip(distances.items(), LINES, strict=False):
        axes.plot(depths, values, label=name, **line)
    axes.axhline(np.finfo(np.float32).eps, color="0.5", linewidth=1, label="float32's rounding")
    axes.set(
        xlabel="layers", ylabel="distance from one matrix, share of the output", yscale="log", xscale="log",
        title=f"{NETWORKS.value} random networks of each depth, seed {outcome.SEED.value}", ylim=(1e-8, 3),
    )  # fmt: skip
    axes.set_xticks(depths, [str(depth) for depth in depths])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    command.run(main)
