r"""See how wide one hidden layer must be to come within ε of a function.

Question: given a function and an ε, which number of hidden units is enough?

  python -m experiments.approximation
  python -m experiments.approximation --activation=relu --widths=1,2,4,8,16,32,64,128 --epsilons=0.1,0.03

The lecture's idea: the universal approximation theorem. For every continuous function on a bounded interval and every
ε > 0 there is a network of one hidden layer that is nowhere further than ε from it. The theorem says that some width is
enough, not which, and not that training finds the weights.

Networks of one input, one hidden layer and one output learn three functions on [0, 1]: a sine, a kink (which has no
derivative in the middle), and one that has slow and fast waves. For each function and width several networks are
trained from other initial weights, all of them at once in one compiled program, and the best counts: what it reaches is
enough, what it misses may yet be possible. The error is the largest distance anywhere on [0, 1]. Writes into the
working directory:

  result.json         for each function the error of the best network by width, and for each ε the smallest width tried
                      that is enough (null if none)
  error_by_width.png  the errors
  functions.png       the functions and the best networks of four widths

Expect 2 to 8 units to be enough for ε = 0.1 and, of the widths tried, 8 or 16 for the sine, 16 or 32 for the kink and
32 or 64 for the waves for ε = 0.02, whichever of the seeds 0 to 4 it is; 64 units come to a largest error of 0.005 ±
0.001, 0.012 ± 0.002 and 0.009 ± 0.002 (mean ± deviation). Half a minute on two cores.

Reference: Cybenko 1989, "Approximation by superpositions of a sigmoidal function"; Hornik 1991, "Approximation
capabilities of multilayer feedforward networks"; the function of many waves is that of Nielsen 2015, "Neural networks
and deep learning", chapter 4.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import fnn
from experiments import command, outcome
from experiments.descent import descend
from experiments.padded import only_real, pad_to_widest
from fnn import losses
from fnn.analysis.figure import LINES, make_figure
from fnn.keys import named_key
from fnn.layer import Params, State

ACTIVATIONS = {"sigmoid": fnn.Sigmoid, "tanh": fnn.Tanh, "relu": fnn.Relu, "gelu": fnn.Gelu}
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sine": lambda x: np.sin(2 * np.pi * x) / 2,
    "kink": lambda x: np.abs(2 * x - 1) - 0.5,
    "waves": lambda x: 0.2 + 0.4 * x**2 + 0.3 * x * np.sin(15 * x) + 0.05 * np.cos(50 * x),
}

flags.adopt_module_key_flags(outcome)
WIDTHS = flags.DEFINE_list("widths", ["1", "2", "4", "8", "16", "32", "64"], "Hidden units.")
EPSILONS = flags.DEFINE_list("epsilons", ["0.2", "0.1", "0.05", "0.02"], "How near is near enough.")
ACTIVATION = flags.DEFINE_enum("activation", "tanh", list(ACTIVATIONS), "Of the hidden units.")
TRIES = flags.DEFINE_integer("tries", 5, "From how many initial weights each is trained.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 3000, "Steps of training, each on all points.", lower_bound=1)
LEARNING_RATE = flags.DEFINE_float("learning_rate", 0.02, "Adam's, at the beginning of a cosine.", lower_bound=0)
STEEPNESS = flags.DEFINE_float("steepness", 20.0, "Standard deviation of the hidden units' slopes.", lower_bound=0)

TRAIN_X = np.linspace(0, 1, 257, dtype=np.float32)[:, None]
TEST_X = np.linspace(0, 1, 2049, dtype=np.float32)[:, None]
"""Finer, so that a network is also judged between the points that it learnt."""


class Learnt(NamedTuple):
    """What networks learnt, over a grid of functions × tries × widths."""

    error: Any
    """The largest distance from the function."""
    values: Any
    """`(…, points)`: the network at each of `TEST_X`."""


def main() -> None:
    """Trains every network, tells which widths are enough, draws."""
    widths, epsilons = sorted(command.integers(WIDTHS)), sorted(command.floats(EPSILONS), reverse=True)
    run = outcome.begin("approximation")
    learnt = train_grid(widths)
    answer: dict[str, Any] = {"widths": widths, "epsilons": epsilons, "error": {}, "enough": {}}
    best = {}
    for name, errors, values in zip(FUNCTIONS, learnt.error, learnt.values, strict=True):
        chosen = errors.argmin(axis=0)  # the best try of each width
        smallest = errors.min(axis=0)
        best[name] = values[chosen, np.arange(len(widths))]
        answer["error"][name] = smallest.tolist()
        answer["enough"][name] = [enough(widths, smallest, epsilon) for epsilon in epsilons]
    print("largest error by width" + "".join(f"{width:8}" for width in widths))
    for name, errors in answer["error"].items():
        print(f"{name:22}" + "".join(f"{error:8.3f}" for error in errors))
    print("width enough for ε of " + "".join(f"{epsilon:8g}" for epsilon in epsilons))
    for name, found in answer["enough"].items():
        print(f"{name:22}" + "".join(f"{'none' if width is None else width:>8}" for width in found))
    draw_errors(widths, epsilons, answer["error"], run.workdir / "error_by_width.png")
    draw_functions(widths, best, run.workdir / "functions.png")
    outcome.finish(run, answer, __name__)


def enough(widths: Sequence[int], errors: Sequence[float] | np.ndarray, epsilon: float) -> int | None:
    """Returns the smallest width whose error is at most ε, if there is one."""
    return next((width for width, error in zip(widths, errors, strict=True) if error <= epsilon), None)


def make_network(width: int) -> fnn.Layer:
    """Makes a network of one hidden layer, each of whose units `a(w (x − c))` has its middle c in [0, 1]."""

    def slopes(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        return STEEPNESS.value * jax.random.normal(key, shape, dtype)

    hidden = fnn.Dense(width, kernel_init=slopes)

    def init(key: jax.Array, x: Any, /) -> tuple[Params, State]:
        params, state = hidden.init(key, x)
        middles = jax.random.uniform(named_key(key, "middles"), (width,))
        return {**params, "bias": -params["kernel"][0] * middles}, state

    return fnn.serial(hidden=hidden._replace(init=init), act=ACTIVATIONS[ACTIVATION.value], out=fnn.Dense(1))


def train_grid(widths: Sequence[int]) -> Learnt:
    """Trains the networks of all functions, tries and widths in one program."""
    network = make_network(max(widths))

    def learn(params: Params, mask: Params, train_y: jax.Array, test_y: jax.Array) -> Learnt:
        def values(params: Params, x: np.ndarray) -> jax.Array:
            return network.apply(only_real(params, mask), {}, x, train=False)[0]

        def loss(params: Params) -> jax.Array:
            return losses.squared_error(values(params, TRAIN_X), train_y).mean()

        schedule = optax.cosine_decay_schedule(LEARNING_RATE.value, STEPS.value)
        params, _ = descend(loss, params, optax.adam(schedule), STEPS.value)
        said = values(params, TEST_X)
        return Learnt(jnp.max(jnp.abs(said - test_y)), said[:, 0])

    keys = jax.random.split(named_key(jax.random.key(outcome.SEED.value), "approximation"), TRIES.value)
    tries = [pad_to_widest(make_network, widths, key, TRAIN_X) for key in keys]
    padded = jax.tree.map(lambda *leaves: jnp.stack(leaves), *tries)
    over_widths = jax.vmap(learn, in_axes=(0, 0, None, None))
    over_tries = jax.vmap(over_widths, in_axes=(0, 0, None, None))
    over_functions = jax.vmap(over_tries, in_axes=(None, None, 0, 0))
    targets = (np.stack([function(x) for function in FUNCTIONS.values()]) for x in (TRAIN_X, TEST_X))
    return jax.device_get(jax.jit(over_functions)(*padded, *targets))


def draw_errors(
    widths: Sequence[int], epsilons: Sequence[float], errors: Mapping[str, Sequence[float]], path: Path
) -> None:
    """Draws the largest error by width for each function, as a PNG."""
    figure, axes = make_figure(1, 1, (6.4, 4.2))
    for (name, values), line in zip(errors.items(), LINES, strict=False):
        axes.plot(widths, values, label=name, **line)
    for epsilon in epsilons:
        axes.axhline(epsilon, color="0.5", linewidth=0.8)
        axes.annotate(f"ε = {epsilon:g}", (1, epsilon), xycoords=("axes fraction", "data"), xytext=(4, 0),
                      textcoords="offset points", va="center", fontsize=9)  # fmt: skip
    axes.set(
        xlabel="hidden units", ylabel="largest distance from the function", xscale="log", yscale="log",
        title=f"Best of {TRIES.value} networks with {ACTIVATION.value}, seed {outcome.SEED.value}",
    )  # fmt: skip
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


def draw_functions(widths: Sequence[int], best: Mapping[str, np.ndarray], path: Path) -> None:
    """Draws each function and what the best networks of a few widths make of it, as a PNG."""
    shown = sorted({round(place) for place in np.linspace(0, len(widths) - 1, 4)})
    figure, panels = make_figure(1, len(best), (4 * len(best), 4.2))
    for axes, (name, values) in zip(panels, best.items(), strict=True):
        axes.plot(TEST_X, FUNCTIONS[name](TEST_X), color="0.75", linewidth=5, label="function")
        for place, line in zip(shown, LINES, strict=False):
            units = f"{widths[place]} hidden unit{'s' if widths[place] > 1 else ''}"
            axes.plot(TEST_X, values[place], label=units, **line, markevery=256, markersize=4)
        axes.set(title=name, xlabel="x")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("y")
    figure.suptitle(f"Best of {TRIES.value} networks of each width, seed {outcome.SEED.value}")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.savefig(path)


if __name__ == "__main__":
    command.run(main)
