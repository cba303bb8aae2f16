"""Random graphs: three classical generators, each a pure function of its arguments.

A graph of `nodes` nodes, counted from 0, is its edges, each (from, to) with from < to, in order, so that it is acyclic
as it stands. The numbers come from Python's `random.Random.random`, whose sequence is the same for the same seed in
every version and on every machine.

Reference: Xie et al. 2019, arXiv 1904.01569, section 3.3.
"""

from collections.abc import Callable
from random import Random

from fnn.keys import number_of

Edges = tuple[tuple[int, int], ...]

GraphFn = Callable[[int, str], Edges]
"""`(nodes, name) -> edges`; graphs of different names are independent."""


def erdos_renyi(nodes: int, name: str, *, probability: float = 0.2) -> Edges:
    """Each pair of nodes is joined with the same probability (Erdős & Rényi 1960)."""
    if not 0 <= probability <= 1:
        raise ValueError(f"erdos_renyi expects a probability from 0 to 1, got {probability!r}.")
    random = Random(number_of(name))
    return tuple((i, j) for i in range(nodes) for j in range(i + 1, nodes) if random.random() < probability)


def barabasi_albert(nodes: int, name: str, *, edges: int = 5) -> Edges:
    """Each node after the first `edges` joins so many earlier ones, those with many edges more often.

    Of `nodes` nodes it makes `edges · (nodes − edges)` edges (Albert & Barabási 2002).
    """
    if not 1 <= edges < nodes:
        raise ValueError(f"barabasi_albert expects from 1 to {nodes - 1} edges for {nodes} nodes, got {edges!r}.")
    random = Random(number_of(name))
    made: list[tuple[int, int]] = []
    ends: list[int] = list(range(edges))  # each node as often as it has edges; those to begin with once
    for new in range(edges, nodes):
        chosen: set[int] = set()
        while len(chosen) < edges:
            chosen.add(_choose(random, ends))
        made += [(old, new) for old in sorted(chosen)]
        ends = (ends if new > edges else []) + [end for old in sorted(chosen) for end in (old, new)]
    return tuple(sorted(made))


def watts_strogatz(nodes: int, name: str, *, neighbours: int = 4, probability: float = 0.75) -> Edges:
    """A ring in which each node has `neighbours` neighbours, and each edge may be rewired at one end.

    Of `nodes` nodes it makes `nodes · neighbours / 2` edges (Watts & Strogatz 1998).
    """
    if neighbours % 2 or not 2 <= neighbours < nodes:
        raise ValueError(f"watts_strogatz expects an even number of neighbours below {nodes}, got {neighbours!r}.")
    if not 0 <= probability <= 1:
        raise ValueError(f"watts_strogatz expects a probability from 0 to 1, got {probability!r}.")
    random = Random(number_of(name))
    joined = {_edge(i, (i + step) % nodes) for step in range(1, neighbours // 2 + 1) for i in range(nodes)}
    for step in range(1, neighbours // 2 + 1):
        for i in range(nodes):
            free = [j for j in range(nodes) if j != i and _edge(i, j) not in joined]
            if random.random() < probability and free:
                joined.remove(_edge(i, (i + step) % nodes))
                joined.add(_edge(i, _choose(random, free)))
    return tuple(sorted(joined))


def _edge(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)


def _choose(random: Random, options: list[int]) -> int:
    return options[int(random.random() * len(options))]
