r"""Compare randomly wired networks with a ResNet of as many multiply-adds.

Question: does it matter how the layers of a network are wired, or does any wiring do as well as one that was designed?

  python -m experiments.random_wiring
  python -m experiments.random_wiring --nodes=12 --stages=2 --ws_neighbours=4 --seeds=5 --epochs=30
  python -m experiments.random_wiring --dataset=cifar10 --nodes=16 --stages=3 --ws_neighbours=4 --resnet_depth=20

The lecture's idea: a ResNet's wiring is one of many. Draw a random graph, make each node a small convolution and each
edge a wire, and the network learns about as well, whichever generator drew it and from whichever seed: little depends
on the wiring itself.

Three generators draw the graphs: Erdős–Rényi joins each pair of nodes with a probability, Barabási–Albert joins every
new node to those that have many edges, Watts–Strogatz rewires a ring. Every seed draws a wiring and initial parameters
of its own; the ResNet's seeds only the parameters. Each network is as wide as it takes to need as many multiply-adds as
the ResNet, counted by `fnn.summarize`, and all are trained by the same recipe. Every graph is another program: to
compile them takes most of the time, and the graphs are smaller than the paper's, of 32 nodes, so that the defaults end
soon. Writes into the working directory:

  result.json     of each network width, parameters, multiply-adds, edges and test accuracy; means and deviations
  accuracies.png  all of them

Expect on digits, with the defaults (means ± standard deviations over 3 seeds), a test accuracy of 0.976 ± 0.004 of the
ResNet and of 0.972 ± 0.010, 0.978 ± 0.006 and 0.980 ± 0.002 of the three generators' networks, of equal multiply-adds
to 1.6 %: no difference that the seeds would not make. 90 seconds on two cores, most of them for compiling ten programs.

Reference: Xie, Kirillov, Girshick & He 2019, "Exploring randomly wired neural networks for image recognition", arXiv
1904.01569.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from tqdm import tqdm

import fnn
from experiments import command, dataset, optimization, outcome
from experiments.command import FlagError
from experiments.wired import draw_graphs, multiply_adds, small_wired, width_for
from fnn import data, train
from fnn.analysis.figure import LINES, make_figure
from fnn.models import resnet_cifar
from fnn.models.random_graphs import GraphFn, barabasi_albert, erdos_renyi, watts_strogatz
from fnn.train.many.threads import side_by_side

flags.adopt_module_key_flags(dataset)
flags.adopt_module_key_flags(optimization)
flags.adopt_module_key_flags(outcome)
NODES = flags.DEFINE_integer("nodes", 6, "Of each random stage.", lower_bound=1)
STAGES = flags.DEFINE_integer("stages", 1, "Random stages; each halves the image.", lower_bound=1)
PROBABILITY = flags.DEFINE_float("er_probability", 0.5, "Erdős–Rényi: with which a pair of nodes is joined.")
EDGES = flags.DEFINE_integer("ba_edges", 2, "Barabási–Albert: how many earlier nodes a new one is joined to.")
NEIGHBOURS = flags.DEFINE_integer("ws_neighbours", 2, "Watts–Strogatz: a node's neighbours in the ring.")
REWIRED = flags.DEFINE_float("ws_probability", 0.75, "Watts–Strogatz: with which an edge is rewired.")
RESNET_DEPTH = flags.DEFINE_integer("resnet_depth", 8, "Layers of the ResNet: 6n + 2.", lower_bound=8)
RESNET_WIDTH = flags.DEFINE_integer("resnet_width", 6, "Features of its first stage of three.", lower_bound=1)
SEEDS = flags.DEFINE_integer("seeds", 3, "How many networks of each kind.", lower_bound=2)
EPOCHS = flags.DEFINE_integer("epochs", 10, "How often each training sample is seen.", lower_bound=1)
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Samples a step.", lower_bound=1)

RESNET = "ResNet"


class Learnt(NamedTuple):
    """One network, trained."""

    seed: int
    width: int
    edges: int | None
    """Of all its random graphs."""
    parameters: int
    multiply_adds: int
    """For one image."""
    accuracy: float
    """On the test split."""


def main() -> None:
    """Trains the ResNet and every random network; prints, writes and draws."""
    training, _, test = dataset.load_splits()
    if not isinstance(training, data.Split) or not isinstance(test, data.Split):
        raise FlagError("this experiment needs the samples in memory; raise --memory_gib")
    if BATCH_SIZE.value > len(training):
        raise FlagError(f"--batch_size must be at most {len(training)}, the training split's size")
    image, classes = training.image_shape, len(training.class_names)
    seeds = range(outcome.SEED.value, outcome.SEED.value + SEEDS.value)
    generators = make_generators()
    run = outcome.begin(f"random_wiring-{dataset.name_of_dataset()}")
    try:
        resnet = resnet_cifar(RESNET_DEPTH.value, classes, width=RESNET_WIDTH.value)
        budget = multiply_adds(resnet, image)

        def learn_wired(generate: GraphFn, seed: int) -> list[Learnt]:
            graph = partial(small_wired, classes, generate, seed=seed, nodes=NODES.value, stages=STAGES.value)
            width = width_for(lambda width: graph(width=width), budget, image)
            edges = sum(map(len, draw_graphs(generate, seed, NODES.value, STAGES.value)))
            return learn(graph(width=width), training, test, [seed], width, edges)

        tasks: dict[tuple[str, int | None], Callable[[], list[Learnt]]] = {
            (RESNET, None): partial(learn, resnet, training, test, seeds, RESNET_WIDTH.value)
        }
        for (name, generate), seed in product(generators.items(), seeds):
            tasks[name, seed] = partial(learn_wired, generate, seed)
        kinds: dict[str, list[Learnt]] = {name: [] for name in (RESNET, *generators)}
        # XLA compiles on one core at a time, and Python waits meanwhile: as many programs at once as there are cores.
        with tqdm(total=len(tasks), unit="program", leave=False, disable=None) as bar:

            def run_task(task: Callable[[], list[Learnt]], tell: Callable[[], None]) -> list[Learnt]:
                learnt = task()
                tell()
                return learnt

            done = side_by_side(run_task, list(tasks.values()), bar.update, os.cpu_count() or 1)
        for (name, _), learnt in zip(tasks, done, strict=True):
            kinds[name] += learnt
    except ValueError as error:
        raise FlagError(str(error)) from error

    summary = {name: summarize(networks, budget) for name, networks in kinds.items()}
    print(f"{'':16}{'test accuracy':>17}{'multiply-adds, of ResNet':>26}{'parameters':>16}{'width':>9}{'edges':>9}")
    for name, networks in kinds.items():
        spans = {key: span([getattr(one, key) for one in networks]) for key in ("parameters", "width", "edges")}
        print(
            f"{name:16}{'{mean:.4f} ± {deviation:.4f}'.format(**summary[name]):>17}"
            f"{summary[name]['multiply_adds_over_resnet']:26.3f}"
            f"{spans['parameters']:>16}{spans['width']:>9}{spans['edges']:>9}"
        )
    title = f"Networks of {budget:,} multiply-adds on {dataset.name_of_dataset()}, {len(seeds)} seeds from {seeds[0]}"
    draw(kinds, run.workdir / "accuracies.png", title)
    answer = {
        "dataset": dataset.DATASET.value,
        "budget": budget,
        "summary": summary,
        "networks": {name: [one._asdict() for one in networks] for name, networks in kinds.items()},
    }
    outcome.finish(run, answer, __name__, dataset, optimization)


def make_generators() -> dict[str, GraphFn]:
    """Makes the graphs' generators, as the flags describe them."""
    generators: dict[str, GraphFn] = {
        "Erdős–Rényi": partial(erdos_renyi, probability=PROBABILITY.value),
        "Barabási–Albert": partial(barabasi_albert, edges=EDGES.value),
        "Watts–Strogatz": partial(watts_strogatz, neighbours=NEIGHBOURS.value, probability=REWIRED.value),
    }
    try:
        for generate in generators.values():
            generate(NODES.value, "any")
    except ValueError as error:
        raise FlagError(str(error)) from error
    return generators


def learn(
    network: fnn.Layer,
    training: data.Split,
    test: data.Split,
    seeds: Sequence[int],
    width: int,
    edges: int | None = None,
) -> list[Learnt]:
    """Trains a network from some seeds, by one program, and tests it."""
    optimizer = optimization.make_optimizer(EPOCHS.value * (len(training) // BATCH_SIZE.value))
    many = train.fit_many(
        network, training, lambda _, __: optimizer, [train.Model(f"seed {seed}", seed) for seed in seeds],
        epochs=EPOCHS.value, batch_size=BATCH_SIZE.value, drop_last=True,
        way="in turns",  # as the random ones, of which each is a program of its own
        loss=optimization.LOSSES[optimization.LOSS.value],
    )  # fmt: skip
    summary = fnn.summarize(network, jax.ShapeDtypeStruct((1, *training.image_shape), jnp.float32))
    return [
        Learnt(seed, width, edges, summary.parameters, summary.multiply_adds, float(accuracy))
        for seed, accuracy in zip(seeds, many.accuracies(test), strict=True)
    ]


def summarize(networks: Sequence[Learnt], budget: int) -> dict[str, float]:
    """Returns mean and deviation of the accuracies, and the mean multiply-adds as a multiple of the ResNet's."""
    accuracies = [one.accuracy for one in networks]
    return {
        "mean": float(np.mean(accuracies)),
        "deviation": float(np.std(accuracies, ddof=1)),
        "multiply_adds_over_resnet": float(np.mean([one.multiply_adds / budget for one in networks])),
    }


def span(numbers: Sequence[int | None]) -> str:
    """Writes the least and the largest of some numbers, once if they agree."""
    known = [number for number in numbers if number is not None]
    return "–".join(f"{number:,}" for number in sorted({min(known), max(known)})) if known else ""


def draw(kinds: Mapping[str, Sequence[Learnt]], path: Path, title: str) -> None:
    """Draws each network as a point, and mean and standard deviation of each kind, as a PNG."""
    figure, axes = make_figure(1, 1, (7, 3.8))
    for place, ((name, networks), line) in enumerate(zip(kinds.items(), LINES, strict=False)):
        found = np.asarray([one.accuracy for one in networks])
        style = {"color": line["color"], "marker": line["marker"], "linestyle": ""}
        axes.plot(found, np.full(len(found), place), **style, alpha=0.5, label=f"{name}, a seed each")
        axes.errorbar(found.mean(), place - 0.25, xerr=found.std(ddof=1), **style, markerfacecolor="white", capsize=4)
    axes.set_yticks(range(len(kinds)), list(kinds))
    axes.set(xlabel="test accuracy; hollow: mean ± standard deviation", title=title, ylim=(len(kinds) - 0.5, -0.6))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path)


if __name__ == "__main__":
    command.run(main)
