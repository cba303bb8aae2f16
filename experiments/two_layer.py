r"""Train the lecture's twenty-line network and see that it learns as its derivation by hand says.

Question: does a network whose gradients are jax.grad's learn exactly as one whose gradients were derived on paper?

  python -m experiments.two_layer
  python -m experiments.two_layer --hidden=20 --steps=500

The lecture's idea: a fully connected network of two layers, sigmoid and sum of squares, is trained from scratch in
twenty lines of NumPy, the backward pass derived by hand with the chain rule:

  h = 1 / (1 + exp(−x W₁))        ∂L/∂W₂ = hᵀ 2 (y − t)
  y = h W₂                        ∂L/∂W₁ = xᵀ (2 (y − t) W₂ᵀ · h · (1 − h))
  L = Σ (y − t)²

fnn trains the same network on the same random numbers in float32, with jax.grad; beside it run these lines in NumPy's
float64. Writes into the working directory:

  result.json   the largest relative difference between the two loss curves, the first and the last loss, the share of
                the loss that is left
  loss.png      both curves, and their difference

Expect a largest relative difference of 1.0e-5 ± 0.4e-5 (mean ± standard deviation over seeds 0 to 4), which is what
float32 rounds in 2000 steps, while the loss falls from about 30,000 to about 4. 10 seconds on two cores.

Reference: Stanford CS231n, lecture "Neural networks", "Full implementation of training a 2-layer neural network needs
~20 lines"; Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors".
"""

from pathlib import Path

import jax
import numpy as np
import optax
from absl import flags

import fnn
from experiments import command, outcome
from experiments.descent import descend
from fnn import losses
from fnn.analysis.figure import LINES, make_figure
from fnn.keys import named_key
from fnn.layer import Params

flags.adopt_module_key_flags(outcome)
SAMPLES = flags.DEFINE_integer("samples", 64, "Random samples, all of them in every step.", lower_bound=1)
INPUTS = flags.DEFINE_integer("inputs", 1000, "Numbers in each sample.", lower_bound=1)
HIDDEN = flags.DEFINE_integer("hidden", 100, "Hidden units.", lower_bound=1)
OUTPUTS = flags.DEFINE_integer("outputs", 10, "Random targets of each sample.", lower_bound=1)
LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-4, "Of plain gradient descent.", lower_bound=0)
STEPS = flags.DEFINE_integer("steps", 2000, "Steps of it.", lower_bound=1)


def main() -> None:
    """Trains twice, compares, draws."""
    run = outcome.begin("two_layer")
    keys = {name: named_key(jax.random.key(outcome.SEED.value), name) for name in ("x", "targets", "init")}
    x = jax.random.normal(keys["x"], (SAMPLES.value, INPUTS.value))
    targets = jax.random.normal(keys["targets"], (SAMPLES.value, OUTPUTS.value))
    network = fnn.serial(
        dense1=fnn.Dense(HIDDEN.value, bias=False, kernel_init="normal"),
        act=fnn.Sigmoid,
        dense2=fnn.Dense(OUTPUTS.value, bias=False, kernel_init="normal"),
    )
    params, _ = network.init(keys["init"], x)

    def loss(params: Params) -> jax.Array:
        return losses.squared_error(network.apply(params, {}, x, train=True)[0], targets).sum()

    optimizer = optax.sgd(LEARNING_RATE.value)
    curve = np.asarray(jax.jit(lambda params: descend(loss, params, optimizer, STEPS.value))(params)[1])
    by_hand = train_by_hand(*(np.asarray(array, np.float64) for array in (
        x, targets, params["dense1"]["kernel"], params["dense2"]["kernel"]
    )))  # fmt: skip
    difference = np.abs(curve - by_hand) / by_hand
    if not np.isfinite(curve).all():
        raise FloatingPointError("the loss is not finite. A lower learning rate may help.")
    draw(curve, by_hand, difference, run.workdir / "loss.png")
    answer = {
        "largest_relative_difference": float(difference.max()),
        "first_loss": float(curve[0]),
        "last_loss": float(curve[-1]),
        "share_left": float(curve[-1] / curve[0]),
    }
    print(f"loss before the first of {STEPS.value} steps {curve[0]:.1f}, before the last {curve[-1]:.3f}")
    print(f"largest relative difference from the derivation by hand: {difference.max():.1e}")
    outcome.finish(run, answer, __name__)


def train_by_hand(x: np.ndarray, targets: np.ndarray, w1: np.ndarray, w2: np.ndarray) -> np.ndarray:
    """Returns the loss before each step, `(steps,)`; NumPy alone, gradients as the docstring above derives them."""
    curve = np.empty(STEPS.value)
    for step in range(STEPS.value):
        h = 1 / (1 + np.exp(-x @ w1))
        y = h @ w2
        curve[step] = np.square(y - targets).sum()
        error = 2 * (y - targets)
        gradient_w1 = x.T @ (error @ w2.T * h * (1 - h))
        gradient_w2 = h.T @ error
        w1 = w1 - LEARNING_RATE.value * gradient_w1
        w2 = w2 - LEARNING_RATE.value * gradient_w2
    return curve


def draw(curve: np.ndarray, by_hand: np.ndarray, difference: np.ndarray, path: Path) -> None:
    """Draws both loss curves and their relative difference, as a PNG."""
    figure, (left, right) = make_figure(1, 2, (9, 3.8))
    left.plot(curve, color="0.75", linewidth=5, label="fnn, jax.grad, float32")
    left.plot(by_hand, **LINES[1] | {"marker": None}, label="NumPy, by hand, float64")
    left.set(xlabel="step", ylabel="loss before the step", yscale="log", title="loss")
    left.legend()
    right.plot(np.maximum(difference, 1e-9), **LINES[0] | {"marker": None})
    right.axhline(1e-4, color="0.3", linestyle=":", label="1e-4")
    right.set(xlabel="step", ylabel="difference ÷ loss", yscale="log", title="relative difference of the two")
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.suptitle(
        f"{SAMPLES.value} samples, {INPUTS.value}-{HIDDEN.value}-{OUTPUTS.value}, seed {outcome.SEED.value}"
    )
    figure.savefig(path)


if __name__ == "__main__":
    command.run(main)
