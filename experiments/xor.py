r"""See why one perceptron cannot learn XOR, and two layers can.

Question: can a single neuron tell whether exactly one of its two inputs is on?

  python -m experiments.xor
  python -m experiments.xor --hidden=2,3,4,6,8 --tries=500      # how many hidden units make it sure

The lecture's idea: a perceptron says 1 on one side of a straight line, `w1·x1 + w2·x2 + b > 0`. For XOR it would need
b ≤ 0, w1 + b > 0, w2 + b > 0 and w1 + w2 + b ≤ 0; the middle two sum to w1 + w2 + 2b > 0, so w1 + w2 + b > −b ≥ 0,
against the last. A hidden layer first moves the four points to where a line does separate them.

The same perceptron, trained by Rosenblatt's rule from random weights, tries AND, OR and XOR; one sigmoid unit and
networks of two layers, trained by gradient descent on the cross-entropy, try XOR. Each tries many times, every time
from other initial weights. Writes into the working directory:

  result.json  for each of them how many of the four inputs are right: in the worst try, in the best, on average; and in
               how many tries all four are
  regions.png  what each of them says everywhere in the plane, in its best try

Expect the perceptron to learn AND and OR in 100 of 100 tries, and no single unit to get more than 3 of 4 inputs of XOR
right in any; two layers with 2 hidden units get all four in 46 ± 4 of 100 tries (mean ± standard deviation over seeds 0
to 4), where the others stop in a local minimum, and with 8 hidden units in all 100. 10 seconds on two cores.

Reference: Minsky & Papert 1969, "Perceptrons"; Rumelhart, Hinton & Williams 1986, "Learning internal representations
by error propagation".
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import fnn
from experiments import command, outcome, plane
from experiments.descent import descend
from fnn import losses
from fnn.keys import named_key
from fnn.layer import Params
from fnn.models import fit_perceptron, perceptron

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
TARGETS = {name: np.array(values, np.int32) for name, values in
           {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}.items()}  # fmt: skip

flags.adopt_module_key_flags(outcome)
TRIES = flags.DEFINE_integer("tries", 100, "From how many initial weights each is trained.", lower_bound=1)
EPOCHS = flags.DEFINE_integer("epochs", 200, "How often Rosenblatt's rule is shown the four inputs.", lower_bound=1)
HIDDEN = flags.DEFINE_list("hidden", ["2", "8"], "Hidden units of the networks of two layers.")
STEPS = flags.DEFINE_integer("steps", 1000, "Steps of gradient descent, each on all four inputs.", lower_bound=1)
LEARNING_RATE = flags.DEFINE_float("learning_rate", 0.05, "Adam's, for gradient descent.", lower_bound=0)

WINDOW = plane.Window(-0.25, 1.25, 151)


class Tries(NamedTuple):
    """What came of many tries."""

    says: jax.Array
    """`(tries, 4)`, 0 or 1: the answer to each input."""
    everywhere: jax.Array
    """`(tries, points)`: the answer at each point of the window."""


def main() -> None:
    """Trains, counts, draws."""
    widths = command.integers(HIDDEN)
    run = outcome.begin("xor")
    learnt = {f"perceptron, {name}": by_rosenblatt(targets) for name, targets in TARGETS.items()}
    learnt["sigmoid unit, XOR"] = by_descent(fnn.serial(out=fnn.Dense(1)), TARGETS["XOR"])
    for hidden in widths:
        two_layers = fnn.serial(hidden=fnn.Dense(hidden), act=fnn.Tanh, out=fnn.Dense(1))
        learnt[f"two layers, {hidden} hidden, XOR"] = by_descent(two_layers, TARGETS["XOR"])

    answer, panels = {}, []
    print(f"of 4 inputs right, in {TRIES.value} tries:   worst  best   mean  tries with all four")
    for name, (says, everywhere) in learnt.items():
        targets = TARGETS[name.rpartition(" ")[2]]
        right = np.asarray(says == targets).sum(axis=1)
        worst, best, mean, all_four = int(right.min()), int(right.max()), float(right.mean()), int((right == 4).sum())
        answer[name] = {"worst": worst, "best": best, "mean": mean, "tries_with_all_four": all_four}
        print(f"{name:38}{worst:5}{best:6}{mean:7.2f}{all_four:21}")
        title = f"{name}\nbest of {TRIES.value} tries: {best} of 4 right"
        panels.append(plane.Panel(title, plane.Points(INPUTS, targets), np.asarray(everywhere[right.argmax()])))
    title = f"One line separates AND and OR, but not XOR (seed {outcome.SEED.value})"
    plane.draw_regions(panels, 3, WINDOW, run.workdir / "regions.png", title, ("x1", "x2"))
    outcome.finish(run, {"tries": TRIES.value, "right_of_4": answer}, __name__)


def by_rosenblatt(targets: np.ndarray) -> Tries:
    """Trains perceptrons from random weights by Rosenblatt's rule."""
    layer, inputs = perceptron(), jnp.asarray(INPUTS)
    weights = jax.random.normal(named_key(jax.random.key(outcome.SEED.value), "perceptron"), (TRIES.value, 3, 1))

    def try_once(weights: jax.Array) -> Tries:
        params = fit_perceptron({"weights": weights}, inputs, jnp.asarray(targets), epochs=EPOCHS.value).params
        return Tries(*(layer.apply(params, {}, x, train=False)[0][:, 0] for x in (INPUTS, WINDOW.lattice())))

    return jax.vmap(try_once)(weights)


def by_descent(layer: fnn.Layer, targets: np.ndarray) -> Tries:
    """Trains networks with one output from random weights by gradient descent on the cross-entropy."""
    wanted = jnp.asarray(targets[:, None], jnp.float32)

    def loss(params: Params) -> jax.Array:
        return losses.binary_cross_entropy(layer.apply(params, {}, INPUTS, train=True)[0], wanted).mean()

    @jax.jit
    @jax.vmap
    def try_once(key: jax.Array) -> Tries:
        params, _ = layer.init(key, INPUTS)
        params, _ = descend(loss, params, optax.adam(LEARNING_RATE.value), STEPS.value)
        return Tries(*(layer.apply(params, {}, x, train=False)[0][:, 0] > 0 for x in (INPUTS, WINDOW.lattice())))

    return try_once(jax.random.split(named_key(jax.random.key(outcome.SEED.value), "descent"), TRIES.value))


if __name__ == "__main__":
    command.run(main)
