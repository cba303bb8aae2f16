"""A function as one of a vector that gives one number, measured along groups of the vector's entries."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxprs_in_params

from fnn.analysis.names import name_arguments

STEP = 1e-5
"""Of the differences, relative to an entry where it is larger than 1: about the cube root of double precision."""
AT_ONCE = 8
"""How many groups one compiled call checks."""


class Difference(NamedTuple):
    """One entry of an argument whose derivative is not what differences say."""

    path: str
    """The argument, and the leaf in it: `"params/conv1/kernel"`."""
    entry: tuple[int, ...]
    """Which of that array's."""
    mode: str
    """`"forward"` or `"reverse"`."""
    derivative: float
    """What JAX computes."""
    difference: float
    """What central differences give."""


def is_floating(leaf: Any) -> bool:
    """Says whether a leaf is of real numbers, which can be moved a little."""
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


class _Measured(NamedTuple):
    """What one group of entries gives, moved together along its direction."""

    center: Any
    ahead: Any
    behind: Any
    half_ahead: Any
    half_behind: Any
    size: Any
    """The sum of the magnitudes of what the function's number is a sum of."""
    forward: Any
    """The derivative along the direction, in forward mode."""


class Problem:
    """A function of one vector, of double precision, that gives one number."""

    def __init__(self, function: Callable[..., Any], args: Sequence[Any], title: str, seed: int) -> None:
        leaves, tree = jax.tree.flatten(tuple(args))
        names = name_arguments(function, args)
        moving = [i for i, leaf in enumerate(leaves) if is_floating(leaf)]
        if not any(np.size(leaves[i]) for i in moving):
            raise TypeError(f"{title} was given no floating-point numbers to differentiate it by.")
        self.names = [names[i] for i in moving]
        self.shapes = [np.shape(leaves[i]) for i in moving]
        self.offsets = np.cumsum([0, *(np.size(leaves[i]) for i in moving)])
        self.point = np.concatenate([np.asarray(leaves[i], np.float64).reshape(-1) for i in moving])
        random = np.random.default_rng(seed)

        def outputs(vector: jax.Array) -> jax.Array:
            given = list(leaves)
            for i, shape, start, stop in zip(moving, self.shapes, self.offsets, self.offsets[1:], strict=False):
                given[i] = vector[start:stop].reshape(shape)
            made = [leaf for leaf in jax.tree.leaves(function(*tree.unflatten(given))) if is_floating(leaf)]
            if not made:
                raise TypeError(f"{title} gives no floating-point numbers to differentiate.")
            narrow = [str(leaf.dtype) for leaf in made if leaf.dtype != jnp.float64]
            if narrow:
                raise ValueError(_too_narrow(title, narrow[0]))
            return jnp.concatenate([leaf.reshape(-1) for leaf in made])

        closed = jax.make_jaxpr(outputs)(self.point)
        narrow = next(_narrowings(closed), None)
        if narrow:
            raise ValueError(_too_narrow(title, narrow))
        count = closed.out_avals[0].shape[0]
        weights = random.uniform(0.5, 1, count) * random.choice([-1.0, 1.0], count) if count > 1 else np.ones(1)
        self.direction = random.uniform(0.5, 1, self.point.size) * random.choice([-1.0, 1.0], self.point.size)
        self.direction *= np.maximum(1, np.abs(self.point))

        def number(vector: jax.Array) -> jax.Array:
            return jnp.sum(weights * outputs(vector))

        def measure(bounds: jax.Array) -> _Measured:
            places = jnp.arange(self.point.size)
            direction = jnp.where((bounds[0] <= places) & (places < bounds[1]), self.direction, 0.0)
            point = jnp.asarray(self.point)
            terms = weights * outputs(point)
            has_forward = "forward" in self.modes
            return _Measured(
                center=jnp.sum(terms),
                ahead=number(point + STEP * direction),
                behind=number(point - STEP * direction),
                half_ahead=number(point + STEP / 2 * direction),
                half_behind=number(point - STEP / 2 * direction),
                size=jnp.sum(jnp.abs(terms)),
                forward=jax.jvp(number, (point,), (direction,))[1] if has_forward else jnp.nan,
            )

        self.modes = tuple(mode for mode, is_there in _modes(number, self.point).items() if is_there)
        if not self.modes:
            raise TypeError(f"{title} can be differentiated in neither mode.")
        self.gradient = np.asarray(jax.jit(jax.grad(number))(self.point)) if "reverse" in self.modes else None
        self.measure = jax.jit(partial(lax.map, measure))

    def groups(self, together: int) -> Iterator[tuple[int, int]]:
        """Cuts each array's entries into groups, each given by its first entry and the one after its last."""
        for start, stop in zip(self.offsets, self.offsets[1:], strict=False):
            for first in range(start, stop, together):
                yield first, min(first + together, int(stop))

    def compare(self, groups: Sequence[tuple[int, int]], tolerance: float) -> Iterator[tuple[bool, list[Difference]]]:
        """Says of each group whether the function has a kink along it, and which derivatives along it are wrong."""
        for first in range(0, len(groups), AT_ONCE):
            some = list(groups[first : first + AT_ONCE])
            bounds = np.array(some + [(0, 0)] * (AT_ONCE - len(some)))
            measured = jax.device_get(self.measure(bounds))
            for i, group in enumerate(some):
                yield self._judge(group, jax.tree.map(lambda numbers, i=i: float(numbers[i]), measured), tolerance)

    def _judge(self, group: tuple[int, int], m: _Measured, tolerance: float) -> tuple[bool, list[Difference]]:
        start, stop = group
        direction = self.direction[start:stop]
        derivatives = {"forward": m.forward} if "forward" in self.modes else {}
        sizes = [abs(derivative) for derivative in derivatives.values()]
        if self.gradient is not None:
            products = self.gradient[start:stop] * direction
            derivatives["reverse"] = float(products.sum())
            sizes.append(float(np.linalg.norm(products)))
        whole = (m.ahead - m.behind) / (2 * STEP)
        half = (m.half_ahead - m.half_behind) / STEP
        # By how much the slopes to the right and to the left differ: in proportion to the step, if there is no kink.
        bend = (m.ahead - 2 * m.center + m.behind) / STEP
        half_bend = (m.half_ahead - 2 * m.center + m.half_behind) / (STEP / 2)
        rounding = 50 * float(np.finfo(np.float64).eps) * m.size / STEP
        allowed = tolerance * max(*sizes, abs(half)) + rounding
        kink = abs(whole - half) > allowed or abs(half_bend) > max(0.75 * abs(bend), allowed)
        by = float(direction[0]) if stop - start == 1 else 1.0
        found = [
            Difference(*self._place(start), mode, derivative / by, half / by)
            for mode, derivative in derivatives.items()
            if not abs(derivative - half) <= allowed  # also if one of them is no number
        ]
        return kink, found

    def _place(self, entry: int) -> tuple[str, tuple[int, ...]]:
        """Returns the array that an entry of the vector is of, and its index there."""
        leaf = int(np.searchsorted(self.offsets, entry, side="right")) - 1
        index = np.unravel_index(entry - self.offsets[leaf], self.shapes[leaf]) if self.shapes[leaf] else ()
        return self.names[leaf], tuple(map(int, index))


def _modes(number: Callable[[Any], Any], point: np.ndarray) -> dict[str, bool]:
    """Says in which modes a function can be differentiated: a `custom_vjp` has no forward mode, a loop no reverse."""
    modes = {}
    for mode, derivative in (("forward", jax.jacfwd(number)), ("reverse", jax.grad(number))):
        try:
            jax.eval_shape(derivative, point)
            modes[mode] = True
        except (TypeError, ValueError) as error:
            if "custom_vjp" not in str(error) and "Reverse-mode" not in str(error):
                raise
            modes[mode] = False
    return modes


def _narrowings(jaxpr: Any) -> Iterator[str]:
    """Yields the dtype of every conversion from double precision to less."""
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        if equation.primitive.name == "convert_element_type" and equation.invars[0].aval.dtype == jnp.float64:
            dtype = equation.outvars[0].aval.dtype
            if jnp.issubdtype(dtype, jnp.floating) and dtype != jnp.float64:
                yield str(dtype)
        for inner in jaxprs_in_params(equation.params):
            yield from _narrowings(inner)


def _too_narrow(title: str, dtype: str) -> str:
    return (
        f"{title} computes in {dtype} when it is given float64; differences would drown in its rounding. Let it "
        "compute in its input's dtype."
    )
