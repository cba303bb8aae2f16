"""One random network, in fnn and in the references: the same answer, or a clear error where there is no answer."""

import importlib.util
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from fnn.analysis.laws.raised import describe_error, refuses
from fnn.layer import Layer
from tests.fuzz.demands import Meaningless
from tests.fuzz.in_numpy import in_numpy
from tests.fuzz.in_torch import in_torch
from tests.fuzz.plans import SHAPES, Plan, build, draw, kinds_in, pick
from tests.fuzz.reference import Blank, interpret
from tests.layers import oracles

DEPTH, LEAVES = 6, 12
"""How deep combinators nest, and how many leaves a network has at most."""

HAS_TORCH = importlib.util.find_spec("torch") is not None

Outcome = Literal["agrees", "refused"]


class Mismatch(Exception):  # noqa: N818
    """fnn and a reference differ, or fnn fails in words that are not its own."""


def try_one(seed: int, *, gradients: bool = False) -> Outcome:
    """Draws a network, an input and parameters from a seed and compares.

    Args:
      seed: of everything.
      gradients: whether to compare gradients, too, where PyTorch is installed.

    Raises:
      Mismatch: with the network, if something is wrong.
    """
    random = np.random.default_rng([seed])
    plan = draw(random, int(random.integers(1, DEPTH + 1)))
    while leaves(plan) > LEAVES:
        plan = draw(random, int(random.integers(1, DEPTH + 1)))
    shape = pick(random, SHAPES)
    try:
        with jax.enable_x64(True):
            return compare(plan, shape, random, gradients and HAS_TORCH)
    except Mismatch as mismatch:
        raise Mismatch(f"seed {seed}: {mismatch}") from mismatch
    except Exception as error:
        raise Mismatch(f"seed {seed}: {plan} of x {shape}:\n{describe_error(error)}") from error


def try_block(seeds: Iterable[int]) -> Counter[str]:
    """Tries several seeds under the tests' strict rules, prints what fails and counts the outcomes."""
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_disable_most_optimizations", True)  # each program runs once
    counts: Counter[str] = Counter()
    for seed in seeds:
        try:
            counts[try_one(seed, gradients=seed % 5 == 0)] += 1
        except Mismatch as mismatch:
            counts["failed"] += 1
            print(mismatch, flush=True)
    return counts


def leaves(plan: Plan) -> int:
    times = plan.options.get("times", 1) if plan.options.get("unroll") else 1
    return times * (sum(map(leaves, plan.children)) if plan.children else 1)


def compare(plan: Plan, shape: tuple[int, ...], random: np.random.Generator, gradients: bool) -> Outcome:
    layer = build(plan)
    x = random.standard_normal(shape)
    title = f"{plan} of x {shape}"
    try:
        params, state = jax.eval_shape(layer.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float64))
    except Exception as error:
        must_be_clear(error, plan, title)
        must_be_meaningless(plan, x, title)
        return "refused"
    given = (
        jax.tree.map(
            lambda leaf: random.standard_normal(leaf.shape) / np.sqrt(max(np.prod(leaf.shape[:-1]), 1)), params
        ),
        jax.tree.map(lambda leaf: random.uniform(0.5, 1.5, leaf.shape), state),
    )
    drops = "dropout" in kinds_in(plan) and "rate=0.5" in str(plan)
    modes = [False] if drops else [False, True]
    outcome: Outcome = "agrees"
    for train in modes:
        try:
            wanted = interpret(plan, *given, x, train, in_numpy)
        except Meaningless:
            must_refuse(layer, given, x, train, plan, title)
            outcome = "refused"
            continue
        got = np.asarray(layer.apply(*given, jnp.asarray(x), train=train)[0])
        near = interpret(plan, *given, x * (1 + 1e-12 * random.standard_normal(shape)), train, in_numpy)
        # Where all of the output is zero, as that of a normalization of one number, it is a rounding of what was.
        allowed = 1e-9 * np.max(np.abs(wanted), initial=1e-3) + 10 * np.max(np.abs(near - wanted), initial=0)
        must_agree(got, wanted, allowed, f"{title}, train={train}, NumPy")
        if HAS_TORCH:
            compare_with_torch(plan, layer, given, x, train, allowed, gradients, title)
    return outcome


def must_agree(got: np.ndarray, wanted: np.ndarray, allowed: float, what: str) -> None:
    if got.shape != wanted.shape:
        raise Mismatch(f"{what}: shape {got.shape}, expected {wanted.shape}")
    error = np.max(np.abs(got - wanted), initial=0)
    if not error <= allowed:
        raise Mismatch(f"{what}: wrong by {error}, allowed are {allowed}")


def must_be_clear(error: Exception, plan: Plan, title: str) -> None:
    """A refusal is a ValueError or TypeError of fnn's own, and says where."""
    noted = any(note.startswith("  in layer '") for note in getattr(error, "__notes__", []))
    is_whole = plan.kind != "serial"  # only what stands in a serial is sure to have a place of its own
    if not refuses(error) or not (noted or is_whole):
        raise Mismatch(f"{title}: no clear error: {describe_error(error)}") from error


def must_be_meaningless(plan: Plan, x: np.ndarray, title: str) -> None:
    try:
        y = interpret(plan, Blank(), Blank(), x, False, in_numpy)
    except Meaningless:
        return
    raise Mismatch(f"{title}: refused, though its output has shape {y.shape}")


def must_refuse(layer: Layer, given: Any, x: np.ndarray, train: bool, plan: Plan, title: str) -> None:
    try:
        y, _ = layer.apply(given[0], given[1], jnp.asarray(x), train=train)
    except Exception as error:
        must_be_clear(error, plan, title)
        return
    raise Mismatch(f"{title}, train={train}: gives shape {y.shape}, though it has no meaning")


def compare_with_torch(
    plan: Plan, layer: Layer, given: Any, x: np.ndarray, train: bool, allowed: float, gradients: bool, title: str
) -> None:
    torch = oracles.torch_or_skip()
    params, state = given
    tensors = jax.tree.map(oracles.torch_leaf, (params, x))
    held = jax.tree.map(torch.tensor, state)
    y = interpret(plan, tensors[0], held, tensors[1], train, in_torch)
    got = np.asarray(layer.apply(params, state, jnp.asarray(x), train=train)[0])
    must_agree(got, y.detach().numpy(), allowed, f"{title}, train={train}, PyTorch")
    if not gradients:
        return
    weights = np.cos(np.arange(got.size)).reshape(got.shape)

    def loss(params: Any, x: jax.Array) -> jax.Array:
        return jnp.sum(weights * layer.apply(params, state, x, train=train)[0])

    ours = jax.tree.leaves(jax.grad(loss, (0, 1))(params, jnp.asarray(x)))
    inputs = jax.tree.leaves(tensors)
    theirs = torch.autograd.grad((torch.tensor(weights) * y).sum(), inputs, allow_unused=True)
    for mine, other, leaf in zip(ours, theirs, inputs, strict=True):
        wanted = np.zeros(tuple(leaf.shape)) if other is None else other.numpy()
        scale = np.max(np.abs(wanted), initial=1)
        must_agree(np.asarray(mine), wanted, 1e-6 * scale, f"{title}, train={train}, gradient by PyTorch")
