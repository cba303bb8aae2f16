r"""See what the number and size of layers and the strength of regularization do to a decision boundary.

Question: how large should a network be, and what keeps a large one from drawing too wild a boundary?

  python -m experiments.boundaries
  python -m experiments.boundaries --data=spirals --layers=3 --widths=4,8,16,32 --strengths=0,0.0001,0.001,0.01,0.1

The lecture's idea: more and larger layers can represent more complicated boundaries, and then follow the noise of their
samples as well. Regularization, `λ Σ W²` added to the loss, smooths the boundary; a large network with the right λ does
better than a small one without.

Fully connected networks with ReLU learn circles, spirals and moons, a share of whose training labels is wrong. For each
number of layers the whole grid of data × widths × strengths is trained at once, as one compiled program: `vmap` over
networks that are padded to the widest (experiments/padded.py). Writes into the working directory:

  result.json  over data × networks × strengths: accuracy on the training samples and on new points, whose labels are
               right, and length of the boundary; which network and strength are best on each data set
  circles.png, spirals.png, moons.png   the boundaries on each data set: columns are networks, rows strengths

Expect 3 layers of 16 units to follow the wrong labels without regularization, 0.88 ± 0.02, 0.81 ± 0.03 and 0.90 ± 0.01
of new points right on circles, spirals and moons, and to be right on 0.99 ± 0.01, 0.89 ± 0.01 and 0.99 ± 0.01 with λ =
0.003 (mean ± deviation over seeds 0 to 4); one layer of 2 units is too small anywhere (0.74, 0.60 and 0.89), and λ =
0.03 leaves straight lines or nothing, but for the largest network, which still closes its curve around circles from
four of five seeds. Half a minute on two cores.

Reference: Stanford CS231n, "Neural networks part 1", section "Setting number of layers and their sizes"; Krogh & Hertz
1991, "A simple weight decay can improve generalization".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import fnn
from experiments import command, outcome, plane
from experiments.descent import descend
from experiments.padded import only_real, pad_to_widest
from fnn import losses
from fnn.keys import named_key, number_of
from fnn.layer import Params
from fnn.models import mlp

flags.adopt_module_key_flags(outcome)
DATA = flags.DEFINE_multi_enum("data", list(plane.DATA), plane.DATA, "What is learnt; may be given several times.")
LAYERS = flags.DEFINE_list("layers", ["1", "2", "3"], "Numbers of hidden layers.")
WIDTHS = flags.DEFINE_list("widths", ["2", "4", "16"], "Units of each hidden layer.")
STRENGTHS = flags.DEFINE_list("strengths", ["0", "0.0003", "0.003", "0.03"], "λ of the L2 regularization.")
POINTS = flags.DEFINE_integer("points", 200, "Samples of each data set.", lower_bound=2)
NOISE = flags.DEFINE_float("noise", 0.07, "Standard deviation of their coordinates.", lower_bound=0)
WRONG = flags.DEFINE_float(
    "wrong", 0.1, "The share of the training labels that is wrong.", lower_bound=0, upper_bound=1
)
STEPS = flags.DEFINE_integer("steps", 2000, "Steps of training, each on all samples.", lower_bound=1)
LEARNING_RATE = flags.DEFINE_float("learning_rate", 0.01, "Adam's.", lower_bound=0)

WINDOW = plane.Window(-1.3, 1.3, 105)
TEST_POINTS = 2000


class Learnt(NamedTuple):
    """What networks learnt, over a grid of data × networks × strengths."""

    train: Any
    """Accuracy on the training samples, wrong labels included."""
    test: Any
    """Accuracy on new points, whose labels are right."""
    regions: Any
    """`(…, points)`: the class at each point of the window."""


def main() -> None:
    """Trains every network, tells how well each does, draws."""
    names = list(dict.fromkeys(DATA.value))
    depths, widths, strengths = command.integers(LAYERS), command.integers(WIDTHS), command.floats(STRENGTHS)
    networks = [f"{depth} × {width}" for depth in depths for width in widths]
    run = outcome.begin("boundaries")
    train = [draw_train(name) for name in names]
    test = [plane.draw(name, "test", TEST_POINTS, NOISE.value, outcome.SEED.value) for name in names]
    by_depth = [train_grid(depth, widths, strengths, stack(train), stack(test)) for depth in depths]
    learnt = Learnt(*(np.concatenate(parts, axis=1) for parts in zip(*by_depth, strict=True)))
    lengths = boundary_length(learnt.regions)

    for name, points, accuracy, regions in zip(names, train, learnt.test, learnt.regions, strict=True):
        print(f"{name}: accuracy on new points, by layers × width (across) and λ (down)")
        print(" " * 8 + "".join(f"{network:>8}" for network in networks))
        panels = []
        for j, strength in enumerate(strengths):
            print(f"{strength:8g}" + "".join(f"{value:8.3f}" for value in accuracy[:, j]))
            for i, network in enumerate(networks):
                title = f"{network}, λ = {strength:g}\n{accuracy[i, j]:.1%} right"
                panels.append(plane.Panel(title, points, regions[i, j]))
        title = (
            f"{name}: {WRONG.value:.0%} of the labels are wrong; networks are layers × width, seed {outcome.SEED.value}"
        )
        plane.draw_regions(panels, len(networks), WINDOW, run.workdir / f"{name}.png", title, ("x1", "x2"))
    answer = {
        "data": names,
        "networks": networks,
        "strengths": strengths,
        "train_accuracy": learnt.train.tolist(),
        "test_accuracy": learnt.test.tolist(),
        "boundary_length": lengths.tolist(),
        "best": {name: best(networks, strengths, of) for name, of in zip(names, learnt.test, strict=True)},
    }
    outcome.finish(run, answer, __name__)


def draw_train(name: str) -> plane.Points:
    """Draws the training samples of a data set and turns the labels of a share of them round."""
    points = plane.draw(name, "train", POINTS.value, NOISE.value, outcome.SEED.value)
    generator = np.random.default_rng([outcome.SEED.value, number_of(f"wrong/{name}")])
    wrong = generator.permutation(POINTS.value) < round(WRONG.value * POINTS.value)
    return points._replace(labels=np.where(wrong, 1 - points.labels, points.labels))


def train_grid(
    layers: int, widths: Sequence[int], strengths: Sequence[float], train: plane.Points, test: plane.Points
) -> Learnt:
    """Trains the networks of one depth on stacked data sets, all in one program."""

    def make(width: int) -> fnn.Layer:
        return mlp(2, widths=(width,) * layers)

    network = make(max(widths))

    def learn(params: Params, mask: Params, strength: jax.Array, train: plane.Points, test: plane.Points) -> Learnt:
        def scores(params: Params, xy: Any) -> jax.Array:
            return network.apply(only_real(params, mask), {}, xy, train=False)[0]

        def loss(params: Params) -> jax.Array:
            errors = losses.softmax_cross_entropy(scores(params, train.xy), jnp.asarray(train.labels))
            return errors.mean() + strength * losses.l2(only_real(params, mask))

        params, _ = descend(loss, params, optax.adam(LEARNING_RATE.value), STEPS.value)
        on_train, on_test, regions = (scores(params, xy).argmax(-1) for xy in (train.xy, test.xy, WINDOW.lattice()))
        return Learnt(jnp.mean(on_train == train.labels), jnp.mean(on_test == test.labels), regions)

    over_strengths = jax.vmap(learn, in_axes=(None, None, 0, None, None))
    over_widths = jax.vmap(over_strengths, in_axes=(0, 0, None, None, None))
    over_data = jax.vmap(over_widths, in_axes=(None, None, None, 0, 0))
    key = named_key(jax.random.key(outcome.SEED.value), f"{layers} layers")
    padded = pad_to_widest(make, widths, key, train.xy[0])
    return jax.device_get(jax.jit(over_data)(*padded, jnp.asarray(strengths, jnp.float32), train, test))


def stack(sets: Sequence[plane.Points]) -> plane.Points:
    """Stacks data sets: a first axis of as many."""
    return plane.Points(*(np.stack(parts) for parts in zip(*sets, strict=True)))


def boundary_length(regions: np.ndarray) -> np.ndarray:
    """Measures boundaries along the lattice, in units of the plane, so that a diagonal counts as its two legs.

    Args:
      regions: `(…, resolution²)`.
    """
    square = regions.reshape(*regions.shape[:-1], WINDOW.resolution, WINDOW.resolution)
    across, down = ((np.diff(square, axis=axis) != 0).sum(axis=(-2, -1)) for axis in (-1, -2))
    return (across + down) * (WINDOW.high - WINDOW.low) / (WINDOW.resolution - 1)


def best(networks: Sequence[str], strengths: Sequence[float], accuracies: np.ndarray) -> dict[str, Any]:
    """Names the network and strength, `(networks, strengths)`, of the highest accuracy."""
    i, j = divmod(int(accuracies.argmax()), len(strengths))
    return {"network": networks[i], "strength": strengths[j], "test_accuracy": float(accuracies[i, j])}


if __name__ == "__main__":
    command.run(main)
