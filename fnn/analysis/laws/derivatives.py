"""Laws of derivatives, examined in float64 along random directions."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn.analysis.laws.law import BrokenError, Law, NotApplicableError, is_floating, name_of
from fnn.analysis.laws.subject import Subject

STEPS = (1e-6, 1e-5, 1e-4)
"""Of finite differences. The best counts: a small one seldom meets a kink, a large one rounds less."""

AGREEMENT = 1e-7
"""How far derivatives may lie apart in float64, relative to the length of what is compared."""


class Slope:
    """A layer's output, weighed by random numbers and summed over both modes, as a function of its floats.

    The floats are those of the parameters and of the input; `point + t · direction` is a line through them.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.tree = {"params": subject.params, "x": subject.x}
        self.moves = {
            "params": jax.tree.map_with_path(
                lambda path, leaf: is_floating(leaf) and not subject.told_of(path), subject.params
            ),
            "x": jax.tree.map(is_floating, subject.x),
        }
        self.places = [path for path, moves in jax.tree.leaves_with_path(self.moves) if moves]
        if not self.places:
            raise NotApplicableError("nothing in it has a derivative")
        pairs = zip(jax.tree.leaves(self.tree), jax.tree.leaves(self.moves), strict=True)
        leaves = [leaf for leaf, moves in pairs if moves]
        random = np.random.default_rng(subject.options.seed)
        wide = lambda leaf: np.asarray(leaf, np.float64)  # noqa: E731
        self.point = [wide(leaf) for leaf in leaves]
        self.direction = [random.standard_normal(leaf.shape) for leaf in leaves]
        self.state = jax.tree.map(lambda leaf: wide(leaf) if is_floating(leaf) else leaf, subject.state)
        outputs = [y for y, _ in subject.outcome.values()]
        self.weights = jax.tree.map(
            lambda leaf: random.standard_normal(leaf.shape) if is_floating(leaf) else None, outputs
        )

    def value(self, floats: list[jax.Array]) -> jax.Array:
        """Returns the weighed sum of the outputs."""
        given = iter(floats)
        tree = jax.tree.map(lambda leaf, moves: next(given) if moves else leaf, self.tree, self.moves)
        made = self.subject.forward(tree["params"], self.state, tree["x"], self.subject.key)
        total = jnp.zeros((), jnp.float64)
        for (y, _), weights in zip(made.values(), self.weights, strict=True):
            for weight, leaf in zip(jax.tree.leaves(weights), filter(is_floating, jax.tree.leaves(y)), strict=True):
                total = total + jnp.sum(weight * leaf.astype(jnp.float64))
        return total

    def at(self, t: jax.Array) -> list[jax.Array]:
        """Returns the floats at a place on the line."""
        return [jnp.asarray(p) + t * v for p, v in zip(self.point, self.direction, strict=True)]

    def first(self, t: jax.Array) -> dict[str, Any]:
        """The value, its derivative along the line in forward mode, and its gradient in reverse mode."""
        value, forward = jax.jvp(self.value, (self.at(t),), (list(map(jnp.asarray, self.direction)),))
        return {"value": value, "forward": forward, "gradient": jax.grad(self.value)(self.at(t))}

    def second(self, t: jax.Array) -> dict[str, Any]:
        """The same, and the gradient's derivative along the line, forward over reverse."""
        primals, tangents = jax.jvp(
            jax.value_and_grad(self.value), (self.at(t),), (list(map(jnp.asarray, self.direction)),)
        )
        return {"value": primals[0], "gradient": primals[1], "forward": tangents[0], "curvature": tangents[1]}

    def reverse_over_reverse(self, t: jax.Array) -> list[jax.Array]:
        """The gradient's derivative along the line by differentiating backwards twice."""
        direction = list(map(jnp.asarray, self.direction))
        return jax.grad(lambda floats: _dot(jax.grad(self.value)(floats), direction))(self.at(t))

    @cached_property
    def compiled(self) -> Callable[[float], dict[str, Any]]:
        """`second` as one program, `first` where that does not exist; both laws read it."""
        with jax.enable_x64(True):
            # Forward mode may be missing where the second derivative is not; JAX says so when it lowers the program.
            jax.jit(self.first).lower(np.float64(0))
            try:
                jax.eval_shape(self.second, np.float64(0))
                program = jax.jit(self.second)
            except Exception:
                program = jax.jit(self.first)

        def run(t: float) -> dict[str, Any]:
            with jax.enable_x64(True):
                return jax.tree.map(np.asarray, program(np.float64(t)))

        return run


def _dot(one: list[Any], other: list[Any]) -> Any:
    return sum(((a * b).sum() for a, b in zip(one, other, strict=True)), start=np.float64(0))


def _length(one: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(a)) for a in one)))


def _derivatives_agree(subject: Subject) -> None:
    slope = subject.shared(Slope)
    run = slope.compiled
    here = run(0.0)
    for path, leaf in zip(slope.places, here["gradient"], strict=True):
        if not np.isfinite(leaf).all():
            raise BrokenError(f"the gradient by {name_of(path)} is not finite.")
    reverse, forward = _dot(here["gradient"], slope.direction), here["forward"]
    scale = _length(here["gradient"]) + abs(forward)
    if not subject.options.narrow:  # differences of numbers of few digits tell nothing
        quotients = [(run(h)["value"] - run(-h)["value"]) / (2 * h) for h in STEPS]
        numeric = min(quotients, key=lambda quotient: abs(quotient - reverse))
        if abs(numeric - reverse) > AGREEMENT * scale:
            raise BrokenError(
                f"reverse mode gives {reverse:.9g}, finite differences {numeric:.9g} along one direction."
                + _worst_entry(slope, here["gradient"])
                + " Or is something computed in less than float64? Such a layer is told: narrow=True."
            )
    if abs(reverse - forward) > (subject.tolerance if subject.options.narrow else AGREEMENT) * scale:
        raise BrokenError(f"forward mode gives {forward:.9g}, reverse mode {reverse:.9g} along one direction.")


def _worst_entry(slope: Slope, gradient: list[np.ndarray], most: int = 20_000) -> str:
    """Names the entry whose gradient is furthest from its finite difference, looking at each if they are not many."""
    if sum(leaf.size for leaf in gradient) > most:
        return ""
    worst = (0.0, "")
    value = jax.jit(slope.value)
    for which, (path, leaf) in enumerate(zip(slope.places, gradient, strict=True)):
        for index in np.ndindex(leaf.shape):
            ends = []
            for h in (1e-6, -1e-6):
                moved = [np.array(array) for array in slope.point]
                moved[which][index] += h
                with jax.enable_x64(True):
                    ends.append(float(value(moved)))
            numeric = (ends[0] - ends[1]) / 2e-6
            if abs(numeric - leaf[index]) > worst[0]:
                at = f"[{', '.join(map(str, index))}]" if index else ""
                text = f" Furthest apart at {name_of(path)}{at}: {leaf[index]:.9g} and {numeric:.9g}."
                worst = (abs(numeric - leaf[index]), text)
    return worst[1]


def _second_derivatives(subject: Subject) -> None:
    slope = subject.shared(Slope)
    with jax.enable_x64(True):
        for way in (slope.second, slope.reverse_over_reverse):
            jax.eval_shape(way, np.float64(0))
    run = slope.compiled
    here = run(0.0)
    for path, leaf in zip(slope.places, here["curvature"], strict=True):
        if not np.isfinite(leaf).all():
            raise BrokenError(f"the second derivative by {name_of(path)} is not finite.")
    if subject.options.narrow:
        return
    errors = []
    for h in STEPS:
        ahead, behind = run(h)["gradient"], run(-h)["gradient"]
        numeric = [(a - b) / (2 * h) for a, b in zip(ahead, behind, strict=True)]
        errors.append(_length([a - b for a, b in zip(numeric, here["curvature"], strict=True)]))
    scale = _length(here["curvature"])
    if min(errors) > AGREEMENT * (scale + _length(here["gradient"])):
        raise BrokenError(
            f"second derivatives lie {min(errors):.3g} from the gradient's finite differences, of {scale:.3g}."
        )


def _every_parameter_gets_a_gradient(subject: Subject) -> None:
    if not jax.tree.leaves(subject.params):
        raise NotApplicableError("it has no parameters")
    leaves = jax.tree.leaves_with_path(subject.params)
    dead = {name_of(path) for path, leaf in leaves if is_floating(leaf) and not subject.told_of(path)}
    if not dead:
        raise NotApplicableError("told that its parameters get no gradient")
    for x in (subject.x, subject.other_x):
        _, gradient, _ = subject.pulled(subject.params, x)
        for path, leaf in jax.tree.leaves_with_path(gradient):
            if np.any(np.asarray(leaf) != 0):
                dead.discard(name_of(path))
    if dead:
        raise BrokenError(
            f"no gradient ever reaches {', '.join(sorted(dead))} in training: it is not used, or behind a "
            "stop_gradient, a rounding or a comparison. If that is meant: without_gradient=['path/name', …] or True."
        )


LAWS = (
    Law(
        "every parameter gets a gradient",
        "A parameter without a gradient stays at its initial value.",
        _every_parameter_gets_a_gradient,
    ),
    Law(
        "derivatives agree",
        "A wrong gradient still trains, only worse; forward mode, reverse mode and differences show it.",
        _derivatives_agree,
    ),
    Law(
        "second derivatives exist",
        "Curvature, Hessian-vector products and gradient penalties differentiate twice.",
        _second_derivatives,
    ),
)
