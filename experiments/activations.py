r"""See what the activations and their derivatives look like.

Question: what does each activation do to a number, and how much of the gradient does it let through?

  python -m experiments.activations
  python -m experiments.activations --low=-8 --high=8

The lecture's idea: the backward pass multiplies by the activation's derivative. A sigmoid multiplies by at most 0.25
and by next to nothing where it is saturated, so that gradients vanish over many layers; a ReLU multiplies by 1 or,
where its unit is dead, by 0; a step by 0 everywhere, which is why the perceptron has a learning rule of its own.

Every activation of fnn is drawn with its derivative, which is jax.grad's. Softmax and log-softmax are drawn for the
first of two classes whose other score is 0, maxout as the largest of −0.5x, 0.3x and x − 1, the radial basis about the
center 0 with σ = 1. Writes into the working directory:

  result.json      for each activation its smallest and largest value and derivative over the range, the share of the
                   range where the derivative is below 0.01, and the largest difference between jax.grad's derivative
                   and that of central differences in float64
  activations.png  all of them

Expect the same numbers whatever the seed, as nothing is random: the largest derivative is 0.25 for the sigmoid, 1 for
tanh, 0 for the step. From −6 to 6 the derivative is below 0.01 on 24 % of the range for the sigmoid, on 50 % for tanh
and ReLU, nowhere for leaky ReLU. The two derivatives differ by less than 1e-6. 5 seconds on two cores.

Reference: Glorot, Bordes & Bengio 2011, "Deep sparse rectifier neural networks"; each layer's docstring in
fnn/layers/activation.py names its own.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import fnn
from experiments import command, outcome
from fnn.analysis.figure import BLUE, ORANGE, make_figure
from fnn.layer import Params
from fnn.models import perceptron

flags.adopt_module_key_flags(outcome)
LOW = flags.DEFINE_float("low", -6.0, "Where the range begins.")
HIGH = flags.DEFINE_float("high", 6.0, "Where it ends.")
POINTS = flags.DEFINE_integer("points", 1200, "At how many places it is looked at.", lower_bound=2)

SMALL = 0.01
"""A derivative below this lets next to nothing through."""


def of_one(layer: fnn.Layer, params: Params | None = None) -> Callable[[jax.Array], jax.Array]:
    """Returns a layer as a function of one number: what it makes of `(1, 1)`, or of its first feature."""

    def function(x: jax.Array) -> jax.Array:
        return layer.apply(params or {}, {}, x.reshape(1, 1), train=False)[0][0, 0]

    return function


def against_zero(layer: fnn.Layer) -> Callable[[jax.Array], jax.Array]:
    """Returns the first output of a layer over two classes as a function of the first score, the other being 0."""
    return lambda x: layer.apply({}, {}, jnp.stack([x, jnp.zeros_like(x)])[None], train=False)[0][0, 0]


MAXOUT = {"kernel": np.array([[-0.5, 0.3, 1.0]], np.float32), "bias": np.array([0, 0, -1], np.float32)}
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "identity": of_one(fnn.Identity),
    "step": of_one(perceptron(), {"weights": np.array([[0], [1]], np.float32)}),
    "sigmoid": of_one(fnn.Sigmoid),
    "tanh": of_one(fnn.Tanh),
    "hard tanh": of_one(fnn.HardTanh),
    "ReLU": of_one(fnn.Relu),
    "leaky ReLU, slope 0.1": of_one(fnn.LeakyRelu()),
    "ELU, α = 1": of_one(fnn.Elu()),
    "softplus": of_one(fnn.Softplus),
    "GELU": of_one(fnn.Gelu),
    "SiLU": of_one(fnn.Silu),
    "softmax": against_zero(fnn.Softmax),
    "log-softmax": against_zero(fnn.LogSoftmax),
    "maxout": of_one(fnn.Maxout(1, 3), MAXOUT),
    "radial basis": of_one(fnn.RadialBasis(1), {"centers": np.zeros((1, 1), np.float32)}),
}


def main() -> None:
    """Computes values and derivatives, draws."""
    if not LOW.value < HIGH.value:
        raise command.FlagError(f"--low must be below --high, got {LOW.value:g} and {HIGH.value:g}")
    run = outcome.begin("activations")
    # At the middles of equal pieces, so that a kink at a round number is not hit.
    x = LOW.value + (np.arange(POINTS.value) + 0.5) * (HIGH.value - LOW.value) / POINTS.value
    x = x.astype(np.float32)
    curves, answer = {}, {}
    print(f"{'':22}{'value from':>11}{'to':>7}{'derivative from':>17}{'to':>7}   below {SMALL:g} on")
    for name, function in ACTIVATIONS.items():
        values, slopes = (np.asarray(jax.vmap(f)(jnp.asarray(x))) for f in (function, jax.grad(function)))
        curves[name] = (values, slopes)
        small = float(np.mean(np.abs(slopes) < SMALL))
        answer[name] = {
            "values": [float(values.min()), float(values.max())],
            "derivatives": [float(slopes.min()), float(slopes.max())],
            "share_small": small,
            "difference": float(np.abs(slopes - central_differences(function, x)).max()),
        }
        ranges = f"{values.min():11.2f}{values.max():7.2f}{slopes.min():17.2f}{slopes.max():7.2f}"
        print(f"{name:22}{ranges}{small:11.0%}")
    draw(x, curves, run.workdir / "activations.png")
    outcome.finish(run, {"activations": answer}, __name__)


def central_differences(function: Callable[[jax.Array], jax.Array], x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Returns the derivative at each `x` from values beside it, in float64."""
    x = x.astype(np.float64)
    with jax.enable_x64(True):
        above, below = (jax.vmap(function)(jnp.asarray(x + sign * step)) for sign in (1, -1))
        return np.asarray((above - below) / (2 * step))


def draw(x: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Draws each activation, `(values, derivatives)`, as a PNG."""
    columns = 5
    figure, grid = make_figure(-(-len(curves) // columns), columns, (13, 8), sharex=True, sharey=True)
    for axes, (name, (values, slopes)) in zip(grid.flat, curves.items(), strict=True):
        axes.axhline(0, color="0.7", linewidth=0.8)
        axes.axvline(0, color="0.7", linewidth=0.8)
        # Where a curve jumps nothing is drawn, so that a step is no slope.
        jumps = np.flatnonzero(np.abs(np.diff(slopes)) > 0.25) + 1
        gaps = np.flatnonzero(np.abs(np.diff(values)) > 0.25) + 1
        axes.plot(np.insert(x, gaps, np.nan), np.insert(values, gaps, np.nan), color=BLUE, label="activation")
        axes.plot(
            np.insert(x, jumps, np.nan),
            np.insert(slopes, jumps, np.nan),
            color=ORANGE,
            linestyle="--",
            label="derivative",
        )
        axes.set(title=name, ylim=(-1.5, 2.5))  # one for all, so that slopes can be compared
        axes.grid(alpha=0.3)
    for axes in grid[-1]:
        axes.set_xlabel("x")
    for axes in grid[:, 0]:
        axes.set_ylabel("value, derivative")
    figure.suptitle("The activations of fnn and what jax.grad makes of them")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.savefig(path)


if __name__ == "__main__":
    command.run(main)
