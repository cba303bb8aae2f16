r"""Show what flows forward and back through the lectures' circuits and through LeNet-5.

Question: what does each operation of a network pass on to the next, and which gradient comes back to it?

  python -m experiments.backpropagation                                 # three circuits and LeNet-5, layer by layer
  python -m experiments.backpropagation --depth=1                       # LeNet-5's two parts as one box each
  python -m experiments.backpropagation --open=head/dense3              # one layer opened down to its operations

The lectures' idea: a node needs to know nothing of the circuit that it is in. It multiplies the gradient that comes
back to its output by its own derivative by each input, and hands that on; where a value is read twice, what comes back
is added up. A sum hands the gradient on to both, a product exchanges its inputs, a maximum chooses one.

Prints a table for each of four functions, with the value that flowed forward and the gradient that came back:

  product  (x + y) z at (−2, 5, −4): the gradients are −4, −4 and 3
  neuron   σ(w0 x0 + w1 x1 + w2) with w = (2, −3, −3), x = (−1, −2): gives 0.73; the gradients of w0, x0, w1, x1 and w2
           are −0.20, 0.39, −0.39, −0.59 and 0.20
  network  two inputs, two hidden units and one output, all of tanh, and half the squared error: each unit's δ is the
           gradient at its sum, a1, a2 and a
  lenet5   LeNet-5 and its loss on handwritten digits, before any training: the loss is near log 10 = 2.303

and writes into the working directory:

  product.svg, neuron.svg, network.svg, lenet5.svg  the same as drawings: values above the wires, gradients below
  result.json  what the tables show, how many derivatives of each circuit were held against finite differences, flags

Expect the numbers above, on every machine. Every gradient is held against `jax.grad`'s, those of the three circuits
against central finite differences, too; a difference would end the run with an error.

Reference: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors".
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags
from jax.ad_checkpoint import checkpoint_name

import fnn
from experiments import command
from experiments.command import FlagError
from fnn import data, losses, train
from fnn.analysis import Circuit

DEPTH = flags.DEFINE_integer(
    "depth", None, "How many names deep to look into LeNet-5; by default down to its layers.", lower_bound=0
)
OPEN = flags.DEFINE_list("open", [], "Which boxes of LeNet-5 to open: names such as head/dense3, or patterns.")
IMAGES = flags.DEFINE_integer("images", 8, "How many digits LeNet-5 sees.", lower_bound=1, upper_bound=512)
WIDTH = flags.DEFINE_integer("width", 1500, "After how many pixels a drawing goes on in a new line.", lower_bound=300)
SEED = flags.DEFINE_integer("seed", 0, "Of LeNet-5's initial values.", lower_bound=0, upper_bound=2**32 - 1)
WORKDIR = flags.DEFINE_string("workdir", None, "Where results go; runs/backpropagation-seedSEED by default.")


def product(x: Any, y: Any, z: Any) -> Any:
    """The first circuit of the lectures."""
    q = checkpoint_name(x + y, "q")
    return q * z


def neuron(w0: Any, x0: Any, w1: Any, x1: Any, w2: Any) -> Any:
    """A neuron with a sigmoid, written out."""
    return 1 / (1 + jnp.exp(-(w0 * x0 + w1 * x1 + w2)))


def network(weights: dict[str, Any], x1: Any, x2: Any, target: Any) -> Any:
    """Two inputs, two hidden units, one output, and half the squared error."""
    w = weights
    a1 = checkpoint_name(w["w11"] * x1 + w["w21"] * x2 + w["b1"], "a1")
    a2 = checkpoint_name(w["w12"] * x1 + w["w22"] * x2 + w["b2"], "a2")
    a = checkpoint_name(w["v1"] * jnp.tanh(a1) + w["v2"] * jnp.tanh(a2) + w["c"], "a")
    y = checkpoint_name(jnp.tanh(a), "y")
    return (y - target) ** 2 / 2


CIRCUITS = {
    product: (-2.0, 5.0, -4.0),
    neuron: (2.0, -1.0, -3.0, -2.0, -3.0),
    network: (
        {"w11": 0.5, "w21": -0.3, "b1": 0.1, "w12": 0.8, "w22": 0.2, "b2": -0.1, "v1": 0.7, "v2": -0.6, "c": 0.2},
        1.0,
        0.5,
        -0.5,
    ),
}  # fmt: skip
"""The small circuits, and where they are looked at."""


def main() -> None:
    """Prints, draws, writes."""
    start = time.perf_counter()
    circuits = {f.__name__: fnn.backprop(f, *args) for f, args in CIRCUITS.items()}
    checked = {f.__name__: fnn.check_gradients(f, *args).entries for f, args in CIRCUITS.items()}
    circuits["lenet5"] = lenet5()
    workdir = command.make_workdir(WORKDIR.value or f"runs/backpropagation-seed{SEED.value}")
    for name, circuit in circuits.items():
        print(f"{name}\n\n{circuit}\n")
        circuit.save(workdir / f"{name}.svg", WIDTH.value)
    result = {
        "seed": SEED.value,
        "circuits": {name: circuit.to_dict() for name, circuit in circuits.items()},
        "derivatives_checked_by_finite_differences": checked,
        "seconds": round(time.perf_counter() - start, 2),
        "flags": command.flags_of(__name__),
        "versions": {"fnn": fnn.__version__, "jax": jax.__version__},
        "device": jax.devices()[0].device_kind,
    }
    train.write_result(workdir / "result.json", result)
    print(f"{', '.join(f'{name}.svg' for name in circuits)} and result.json in {workdir}")


def lenet5() -> Circuit:
    """Returns LeNet-5 with its loss on a few handwritten digits."""
    digits = data.load("digits", "train")
    images = data.normalization_of(digits)(digits.images[: IMAGES.value])
    labels = jnp.asarray(digits.labels[: IMAGES.value])
    net = fnn.models.lenet5()
    params, state = net.init(jax.random.key(SEED.value), images)

    def loss(params: Any, images: Any, labels: Any) -> Any:
        logits, _ = net.apply(params, state, images, train=True)
        return losses.softmax_cross_entropy(logits, labels).mean()

    circuit = fnn.backprop(loss, params, images, labels)
    try:
        return circuit.fold(DEPTH.value, OPEN.value)
    except ValueError as error:
        raise FlagError(f"--open: {error}") from error


if __name__ == "__main__":
    command.run(main)
