"""BatchNorm, LayerNorm and GroupNorm against float64 NumPy and PyTorch: outputs, all gradients, running moments."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import thorough
from oracles import (
    Array,
    Outcome,
    Params,
    Problem,
    affine,
    assert_close,
    assert_outcome,
    draw,
    evaluate,
    normalization,
    torch_leaf,
    torch_or_skip,
    torch_outcome,
)

import fnn


class Case(NamedTuple):
    """One normalization; `groups` and the two of BatchNorm count where the kind has them."""

    kind: str
    shape: tuple[int, ...]
    epsilon: float = 1e-5
    scale: bool = True
    bias: bool = True
    groups: int = 1
    momentum: float = 0.9
    train: bool = True
    offset: float = 0.0

    @property
    def layer(self) -> fnn.Layer:
        if self.kind == "batch":
            return fnn.BatchNorm(momentum=self.momentum, epsilon=self.epsilon, scale=self.scale, bias=self.bias)
        if self.kind == "group":
            return fnn.GroupNorm(self.groups, epsilon=self.epsilon, scale=self.scale, bias=self.bias)
        return fnn.LayerNorm(epsilon=self.epsilon, scale=self.scale, bias=self.bias)

    def draw(self, seed: int) -> tuple[Problem, Params]:
        problem = draw(self.layer, self.shape, seed, train=self.train)
        problem = problem._replace(x=(problem.x + self.offset).astype(np.float32).astype(np.float64))
        if self.kind != "batch":
            return problem, {}
        channels = self.shape[-1]
        rng = np.random.default_rng(seed)
        state = {"mean": rng.normal(size=channels), "var": rng.uniform(0.5, 2, channels)}
        return problem, {name: value.astype(np.float32).astype(np.float64) for name, value in state.items()}


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    kind = ("batch", "batch", "batch", "batch", "layer", "group")[seed % 6]
    axes = int(rng.integers(0, 4))
    groups = int(rng.integers(1, 4))
    # At least 4 values are normalized together: of fewer, the gradient is rounding errors.
    spatial = tuple(int(n) for n in rng.integers(2, 5, axes))
    return Case(
        kind,
        shape=(int(rng.integers(4, 8)), *spatial, groups * int(rng.integers(4, 6))),
        epsilon=float(rng.choice([1e-5, 1e-3, 0.1])),
        scale=bool(rng.integers(4)),
        bias=bool(rng.integers(4)),
        groups=groups,
        momentum=float(rng.choice([0.9, 0.9, 0.99, 0.5, 0.0])),
        train=bool(rng.integers(3)),
        offset=float(rng.choice([0.0, 3.0])),
    )


MORE = [random_case(seed) for seed in range(44, 72)]
CASES = [
    *(random_case(seed) for seed in range(44)),
    Case("batch", (2, 4, 4, 3), offset=1000.0, epsilon=1e-3),  # where E[x²] − E[x]² would cancel
    Case("batch", (1, 3, 3, 2), scale=False, bias=False),
    Case("batch", (5, 2), scale=False, bias=False, train=False),
    Case("batch", (1, 1, 1, 2), train=False),
    Case("batch", (1, 2), train=False),
    Case("group", (2, 3, 3, 6), groups=6),  # instance normalization
    Case("group", (1, 2, 8), groups=2),
    Case("layer", (8,)),
]


@lru_cache(maxsize=4)  # for the next oracle, so that each case is compiled once
def evaluated(case: Case) -> tuple[Problem, Params, Outcome, Params]:
    problem, state = case.draw(seed=len(case.shape))
    return problem, state, *evaluate(case.layer, problem, state, train=case.train)


def numpy_oracle(case: Case, problem: Problem, state: Params) -> tuple[Outcome, Params]:
    *rest, channels = case.shape
    if case.kind == "layer":
        return normalization(problem, (-1,), case.epsilon)[0], {}
    if case.kind == "group":
        return group_oracle(case, problem), {}
    if not case.train:
        inverse = 1 / np.sqrt(state["var"] + case.epsilon)
        return affine(problem, (problem.x - state["mean"]) * inverse, lambda g: g * inverse), state
    outcome, mean, var = normalization(problem, tuple(range(len(rest))), case.epsilon)
    count = np.prod(rest)
    batch = {"mean": mean.reshape(channels), "var": var.reshape(channels) * count / (count - 1)}
    return outcome, {n: case.momentum * state[n] + (1 - case.momentum) * batch[n] for n in state}


def group_oracle(case: Case, problem: Problem) -> Outcome:
    """Each group of each example by itself, then one scale and bias for all channels."""
    shape, size = case.shape, case.shape[-1] // case.groups
    everything = tuple(range(len(shape) - 1))

    def each(function: Callable[[int, slice], Array]) -> Array:
        rows = [[function(i, slice(g * size, g * size + size)) for g in range(case.groups)] for i in range(shape[0])]
        return np.stack([np.concatenate(row, -1) for row in rows])

    def normalized(i: int, channels: slice, w: Array) -> Outcome:
        alone = Problem(problem.x[i][..., channels], {}, w[i][..., channels])
        return normalization(alone, everything, case.epsilon)[0]

    return affine(
        problem,
        each(lambda i, channels: normalized(i, channels, problem.w).y),
        lambda g: each(lambda i, channels: normalized(i, channels, g).gradients["x"]),
    )


def torch_oracle(case: Case, problem: Problem, state: Params) -> tuple[Outcome, Params]:
    torch = torch_or_skip()
    functional = torch.nn.functional
    leaves = {"x": torch_leaf(problem.x)} | {name: torch_leaf(value) for name, value in problem.params.items()}
    x, scale, bias = leaves["x"], leaves.get("scale"), leaves.get("bias")
    if case.kind == "layer":
        y = functional.layer_norm(x, case.shape[-1:], scale, bias, case.epsilon)
        gradients = torch.autograd.grad(y, list(leaves.values()), torch.tensor(problem.w))
        return Outcome(y.detach().numpy(), dict(zip(leaves, (g.numpy() for g in gradients), strict=True))), {}
    x = x.movedim(-1, 1)
    if case.kind == "group":
        # PyTorch's own gradient fails without a scale.
        scale = torch.ones(case.shape[-1], dtype=torch.float64) if scale is None else scale
        y = functional.group_norm(x, case.groups, scale, bias, case.epsilon)
        return torch_outcome(y, problem.w, leaves), {}
    mean, var = torch.tensor(state["mean"]), torch.tensor(state["var"])
    y = functional.batch_norm(x, mean, var, scale, bias, case.train, 1 - case.momentum, case.epsilon)
    return torch_outcome(y, problem.w, leaves), {"mean": mean.numpy(), "var": var.numpy()}


@pytest.mark.parametrize("oracle", [numpy_oracle, torch_oracle])
@pytest.mark.parametrize("case", [*CASES, *thorough(MORE)], ids=str)
def test_equals_oracle(case: Case, oracle: Callable[[Case, Problem, Params], tuple[Outcome, Params]]) -> None:
    problem, state, got, next_state = evaluated(case)
    wanted, wanted_state = oracle(case, problem, state)
    assert_outcome(got, wanted)
    assert next_state.keys() == wanted_state.keys()
    for name, value in wanted_state.items():
        assert_close(next_state[name], value, 1e-5, f"running {name}")


@pytest.mark.parametrize("case", CASES[:6], ids=str)
def test_float64_keeps_its_digits(case: Case) -> None:
    problem, state = case.draw(seed=1)
    with jax.enable_x64(True):
        got, next_state = evaluate(case.layer, problem, state, train=case.train, dtype=np.float64)
    wanted, wanted_state = numpy_oracle(case, problem, state)
    assert_outcome(got, wanted, 1e-10)
    for name, value in wanted_state.items():
        assert_close(next_state[name], value, 1e-10, f"running {name}")


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("layer", [fnn.BatchNorm(), fnn.LayerNorm(), fnn.GroupNorm(2)], ids=lambda layer: layer.name)
def test_half_precision_is_rounded_once(layer: fnn.Layer, dtype: Any, key: jax.Array) -> None:
    x = jax.random.normal(key, (50, 4, 8)).astype(dtype)
    params, state = layer.init(key, x)
    params = {"scale": params["scale"] * 1.37, "bias": params["bias"] + 0.21}
    half, wide = (layer.apply(params, state, x.astype(as_type), train=True)[0] for as_type in (dtype, jnp.float32))
    assert half.dtype == dtype
    assert (half == wide.astype(dtype)).mean() > 0.99  # rounded twice, one in seven would differ


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.bfloat16, 3e-2), (jnp.float16, 4e-3)])
@pytest.mark.parametrize("kind", ["batch", "layer", "group"])
def test_half_precision_is_near(kind: str, dtype: Any, tolerance: float) -> None:
    case = Case(kind, (4, 5, 5, 8), groups=2)
    problem, state = case.draw(seed=2)
    problem = Problem(*jax.tree.map(lambda a: a.astype(dtype).astype(np.float64), tuple(problem)))
    got, _ = evaluate(case.layer, problem, state, train=True, dtype=dtype)
    assert_outcome(got, numpy_oracle(case, problem, state)[0], tolerance)


@pytest.mark.parametrize("kind", ["batch", "layer", "group"])
def test_moments_are_float32_where_x_is_not(kind: str) -> None:
    """The square of 1000 is more than float16 holds, and 1000 + 1 is 1000 in bfloat16's sum of a few hundred."""
    layer = Case(kind, (64, 64), groups=2).layer
    x = jnp.where(jnp.arange(64 * 64).reshape(64, 64) * 7 % 3 == 0, 1000, -500).astype(jnp.float16)
    params, state = layer.init(jax.random.key(0), x)
    y, next_state = jax.jit(lambda p, s, x: layer.apply(p, s, x, train=True))(params, state, x)
    assert y.dtype == jnp.float16
    wide, wide_state = layer.apply(params, state, x.astype(jnp.float32), train=True)
    assert_close(y, wide, 1e-3)
    for leaf, wanted in zip(jax.tree.leaves(next_state), jax.tree.leaves(wide_state), strict=True):
        assert leaf.dtype == jnp.float32
        assert_close(leaf, wanted, 1e-5)


def test_cases_cover_what_they_should() -> None:
    assert len(CASES) == len(set(CASES)) >= 52
    batch = [case for case in CASES if case.kind == "batch"]
    assert len(batch) >= 30
    for train in (False, True):
        cases = [case for case in batch if case.train == train]
        assert {len(case.shape) for case in cases} == {2, 3, 4, 5}
        assert {(case.scale, case.bias) for case in cases} == {(a, b) for a in (True, False) for b in (True, False)}


def test_batch_norm_starts_as_the_identity_and_learns_by_its_momentum() -> None:
    layer = fnn.BatchNorm(momentum=0.75)
    x = jnp.array([[0.0, 10.0], [4.0, 10.0]])
    params, state = layer.init(jax.random.key(0), x)
    y, same = layer.apply(params, state, x, train=False)
    assert_close(y, x, 1e-5)
    assert same is state
    _, state = layer.apply(params, state, x, train=True)
    # Unbiased variance of (0, 4) is 8, of (10, 10) is 0; the old moments are 0 and 1.
    assert state["mean"].tolist() == [0.5, 2.5]
    assert state["var"].tolist() == [0.75 + 2, 0.75]


def test_two_values_a_channel_are_enough_and_one_is_not() -> None:
    layer = fnn.BatchNorm()
    params, state = layer.init(jax.random.key(0), jnp.zeros((2, 3)))
    y, _ = layer.apply(params, state, jnp.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), train=True)
    assert_close(y, [[-1, 0, 1], [1, 0, -1]])
    with pytest.raises(ValueError, match=r"more than one value for each channel, got x of shape \(1, 3\)"):
        layer.apply(params, state, jnp.zeros((1, 3)), train=True)


@pytest.mark.parametrize("kind", ["batch", "layer", "group"])
def test_constant_input_stays_finite(kind: str) -> None:
    case = Case(kind, (4, 3, 8), groups=2)
    problem, state = case.draw(seed=3)
    got, _ = evaluate(case.layer, problem._replace(x=np.full(case.shape, 1e4)), state, train=True)
    assert_close(got.y, np.broadcast_to(problem.params["bias"], case.shape))
    assert all(np.isfinite(gradient).all() for gradient in got.gradients.values())


@pytest.mark.parametrize("layer", [fnn.BatchNorm, fnn.LayerNorm, fnn.GroupNorm])
@pytest.mark.parametrize("epsilon", [-1, -1e-9, float("nan"), float("inf"), "1e-5", None, True])
def test_epsilon_out_of_range_fails(layer: Any, epsilon: Any) -> None:
    with pytest.raises(ValueError, match="Norm expects epsilon as a finite number of at least 0, got"):
        layer(epsilon=epsilon)


@pytest.mark.parametrize("momentum", [-0.1, 1, 1.5, "0.9", None, float("nan")])
def test_momentum_out_of_range_fails(momentum: Any) -> None:
    with pytest.raises(ValueError, match="BatchNorm expects momentum as a number from 0 up to, not including, 1"):
        fnn.BatchNorm(momentum=momentum)


@pytest.mark.parametrize("groups", [0, -2, 2.0])
def test_groups_out_of_range_fail(groups: Any) -> None:
    with pytest.raises(ValueError, match="GroupNorm expects groups as an integer of at least 1"):
        fnn.GroupNorm(groups)


@pytest.mark.parametrize("make", [fnn.BatchNorm, fnn.LayerNorm, fnn.GroupNorm])
@pytest.mark.parametrize("misspelt", ["eps", "affine", "use_bias"])
def test_misspelt_keywords_fail(make: Callable[..., fnn.Layer], misspelt: str) -> None:
    with pytest.raises(TypeError, match=misspelt):
        make(**{misspelt: 1})


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (fnn.BatchNorm(), (3,), r"BatchNorm expects x of shape \(batch, …, channels\), got \(3,\)"),
        (fnn.LayerNorm(), (), r"LayerNorm expects x of shape \(…, channels\), got \(\)"),
        (fnn.GroupNorm(3), (2, 4, 4, 8), "GroupNorm cannot split the 8 channels of x into 3 groups"),
    ],
)
def test_input_that_does_not_fit_fails_in_init(layer: fnn.Layer, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        layer.init(jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32))
