"""Every public name of stax against stax itself: initial values bit for bit, outputs and gradients to rounding."""

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.example_libraries import optimizers
from jax.example_libraries import stax as original

import fnn
from fnn import stax
from fnn.ops.bilinear import convolve_p

PUBLIC = [name for name in dir(original) if not name.startswith("_")]
IMAGE, SERIES, VOLUME, VECTOR = (2, 7, 6, 3), (2, 9, 3), (2, 5, 4, 5, 2), (4, 5)
INITIALIZER = jax.nn.initializers.normal(1.0)


class Case(NamedTuple):
    """A way to make a layer from either library, and the shape of its input."""

    make: Callable[[Any], Any]
    shape: Any


def call(name: str, shape: Any, *args: Any, **kwargs: Any) -> Case:
    return Case(lambda library: getattr(library, name)(*args, **kwargs), shape)


def constant(name: str) -> list[Case]:
    return [Case(lambda library: getattr(library, name), VECTOR)]


NAMES = (*("Elu", "Exp", "Flatten", "Gelu", "Identity", "LeakyRelu", "LogSoftmax"),)
NAMES += ("Relu", "Selu", "Sigmoid", "Softmax", "Softplus", "Tanh")

POOLS = [
    [
        call(name, IMAGE, (2, 3)),
        call(name, IMAGE, (3, 2), (2, 2), padding="SAME"),
        call(name, IMAGE, (3, 3), (2, 1), padding="same"),
        call(name, IMAGE, (2, 2), (2, 2), "SAME_LOWER"),
        call(name, SERIES, (3,), (2,)),
        call(name, VOLUME, (2, 2, 2), (1, 2, 1)),
        call(name, (2, 3, 7, 6), (2, 3), (2, 1), "SAME", spec="NCHW"),
        call(name, IMAGE, (2, 3), (2, 1), "SAME", spec="NHWC"),
        call(name, (7, 6, 3, 2), (2, 3), spec="HWCN"),
        call(name, IMAGE, (8, 2)),  # larger than the image: nothing is left
        call(name, (2, 3, 2, 2, 2, 3), (2, 1, 1, 1)),  # four spatial axes
    ]
    for name in ("MaxPool", "SumPool", "AvgPool")
]

CONVOLUTIONS = [
    Case(lambda library: library.Conv(4, (3, 3)), IMAGE),
    Case(lambda library: library.Conv(4, (3, 2), (2, 1), "SAME"), IMAGE),
    Case(lambda library: library.Conv(4, (3, 2), strides=(2, 2), padding="same"), IMAGE),
    Case(lambda library: library.Conv(4, (2, 2), padding="SAME_LOWER"), IMAGE),
    Case(lambda library: library.Conv(4, (3, 3), padding=[(2, 0), (-1, 3)]), IMAGE),
    Case(lambda library: library.Conv(4, (8, 3)), IMAGE),  # larger than the image: nothing is left
    Case(lambda library: library.Conv(1, (7, 6), W_init=INITIALIZER, b_init=INITIALIZER), IMAGE),
]

GENERAL = [
    Case(lambda library: library.GeneralConv(("NHC", "HIO", "NHC"), 4, (3,), (2,), "SAME"), SERIES),
    Case(lambda library: library.GeneralConv(("NHWDC", "HWDIO", "NHWDC"), 3, (2, 3, 2)), VOLUME),
    Case(lambda library: library.GeneralConv(("NXYC", "XYIO", "NXYC"), 3, (3, 2)), IMAGE),
    Case(lambda library: library.GeneralConv(("NCHW", "OIHW", "NCHW"), 4, (3, 2), (1, 2), "SAME"), (2, 3, 7, 6)),
    Case(lambda library: library.GeneralConv(("HWCN", "HWIO", "NCHW"), 4, (3, 2)), (7, 6, 3, 2)),
    Case(lambda library: library.GeneralConv(("NHWC", "WHIO", "NHWC"), 4, (3, 2)), IMAGE),
    Case(lambda library: library.GeneralConv(("NC", "IO", "NC"), 4, ()), VECTOR),
]


def transposed(make: Callable[..., Callable[..., Any]], shape: Any, rank: int) -> list[Case]:
    """All combinations of padding with strides below, at and above the kernel's size."""
    cases = []
    for size, stride in ((3, 2), (2, 2), (4, 2), (2, 3), (1, 3)):
        for padding in ("SAME", "VALID", [(1, 2)] * rank, [(2, -1)] * rank):
            arguments = (2, (size,) * rank, (stride,) * rank, padding)
            cases.append(Case(lambda library, arguments=arguments: make(library)(*arguments), shape))
    return cases


CASES: dict[str, list[Case]] = {name: constant(name) for name in NAMES}
CASES |= dict(zip(("MaxPool", "SumPool", "AvgPool"), POOLS, strict=True))
CASES |= {
    "BatchNorm": [
        call("BatchNorm", IMAGE),
        call("BatchNorm", IMAGE, center=False),
        call("BatchNorm", IMAGE, scale=False),
        call("BatchNorm", IMAGE, center=False, scale=False, epsilon=0.1),
        call("BatchNorm", VECTOR, axis=0),
        call("BatchNorm", VECTOR, axis=(0,), beta_init=INITIALIZER, gamma_init=INITIALIZER),
        call("BatchNorm", IMAGE, axis=(1, 2)),
        call("BatchNorm", IMAGE, axis=(2, 0, 1), gamma_init=INITIALIZER),
        call("BatchNorm", (2, 3, 7, 6), axis=(0, 2, 3), beta_init=INITIALIZER),
    ],
    "Conv": CONVOLUTIONS,
    "Conv1DTranspose": transposed(lambda library: library.Conv1DTranspose, SERIES, 1),
    "ConvTranspose": transposed(lambda library: library.ConvTranspose, (2, 3, 4, 3), 2)[::7],
    "Dense": [
        call("Dense", VECTOR, 3),
        call("Dense", (5,), 3),
        call("Dense", IMAGE, out_dim=2, W_init=INITIALIZER, b_init=INITIALIZER),
    ],
    "Dropout": [call("Dropout", VECTOR, 0.7), call("Dropout", VECTOR, 0.7, mode="test"), call("Dropout", VECTOR, 1.0)],
    "FanInConcat": [call("FanInConcat", [(4, 5), (4, 2)]), call("FanInConcat", [(2, 3), (1, 3)], axis=0)],
    "FanInSum": [Case(lambda library: library.FanInSum, [(4, 5), (4, 5), (1, 5)])],
    "FanOut": [call("FanOut", VECTOR, 3)],
    "GeneralConv": GENERAL,
    "GeneralConvTranspose": [
        *transposed(lambda library: functools.partial(library.GeneralConvTranspose, ("NHC", "HIO", "NHC")), SERIES, 1)[
            :2
        ],
        Case(
            lambda library: library.GeneralConvTranspose(("NCHW", "HWIO", "NHWC"), 2, (2, 3), (2, 1), "SAME"),
            (2, 3, 4, 5),
        ),
    ],
    "elementwise": [call("elementwise", VECTOR, jax.nn.leaky_relu, negative_slope=0.5)],
    "parallel": [
        Case(lambda library: library.parallel(library.Dense(2), library.Dropout(0.5)), [VECTOR, VECTOR]),
    ],
    "serial": [
        Case(
            lambda library: library.serial(
                library.Conv(4, (3, 3), padding="SAME"),
                library.FanOut(2),
                library.parallel(library.serial(library.Conv(4, (1, 1)), library.BatchNorm()), library.Identity),
                library.FanInSum,
                library.Relu,
                library.MaxPool((2, 2), (2, 2)),
                library.Dropout(0.6),
                library.Flatten,
                library.Dense(3),
                library.LogSoftmax,
            ),
            IMAGE,
        )
    ],
    "shape_dependent": [
        Case(lambda library: library.shape_dependent(lambda shape: library.Dense(2 * shape[-1])), VECTOR)
    ],
}


def is_shape(tree: Any) -> bool:
    return isinstance(tree, tuple) and all(isinstance(size, int) for size in tree)


def draw(shapes: Any) -> Any:
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda shape: rng.standard_normal(shape, np.float32), shapes, is_leaf=is_shape)


def run(pair: Any, shape: Any, x: Any, derive: bool) -> Any:
    """Shape and parameters from one key; then, at other parameters, outputs and gradients with another key."""
    init_fun, apply_fun = pair
    output_shape, params = init_fun(jax.random.key(3), shape)
    rng = np.random.default_rng(2)
    moved = jax.tree.map(lambda leaf: leaf + 0.1 * rng.standard_normal(leaf.shape, np.float32), params)

    def loss(params: Any, x: Any) -> Any:
        y = apply_fun(params, x, rng=jax.random.key(4))
        weighed = jax.tree.map(lambda leaf: jnp.sum(leaf * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape)), y)
        return sum(jax.tree.leaves(weighed)), y

    if not derive:
        return output_shape, params, jax.jit(loss)(moved, x)[1], ()
    (_, y), gradients = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(moved, x)
    return output_shape, params, y, gradients


def same_bits(got: Any, wanted: Any) -> None:
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def close(got: Any, wanted: Any) -> None:
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-5 * max(1, np.abs(b).max(initial=0)))


EVERY = [(name, number) for name, cases in CASES.items() for number in range(len(cases))]
COMPUTED_BY_FNN = {"AvgPool", "BatchNorm", "Conv", "ConvTranspose", "Dense", "MaxPool"}
SPARSE = {"Conv1DTranspose": 7, "AvgPool": 3, "SumPool": 5}
FEW = [(name, number) for name, number in EVERY if number % SPARSE.get(name, 1) == 0]


@pytest.mark.parametrize(("name", "number"), FEW)
def test_same_values_as_stax(name: str, number: int) -> None:
    compare(name, number, derive=number == 0 and name in COMPUTED_BY_FNN)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "number"), EVERY)
def test_same_gradients_as_stax(name: str, number: int) -> None:
    compare(name, number, derive=True)


def compare(name: str, number: int, derive: bool) -> None:
    case = CASES[name][number]
    x = draw(case.shape)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        wanted = run(case.make(original), case.shape, x, derive)
        got = run(case.make(stax), case.shape, x, derive)
    assert got[0] == wanted[0]
    same_bits(got[1], wanted[1])
    close(got[2:], wanted[2:])


def test_every_name_is_there_and_tested() -> None:
    assert len(PUBLIC) > 50
    reexported = []
    for name in PUBLIC:
        mine, theirs = getattr(stax, name), getattr(original, name)
        assert name in stax.__all__
        if mine is theirs:
            reexported.append(name)
        elif name in ("glorot_normal", "normal"):
            assert mine is theirs
        else:
            assert name in CASES
    assert {"relu", "randn", "glorot", "logsoftmax", "zeros", "standardize", "jnp"} <= set(reexported)
    assert not {"Dense", "Relu", "serial"} & set(reexported)
    assert {"Dense", "jnp", "upgrade"} <= set(_star_import())


def _star_import() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec("from fnn.stax import *", names)
    return names


@pytest.mark.parametrize("name", [name for name in PUBLIC if callable(getattr(original, name))])
def test_same_signature(name: str) -> None:
    mine, theirs = (inspect.signature(getattr(library, name)).parameters for library in (stax, original))
    assert [(p.name, p.kind) for p in mine.values()] == [(p.name, p.kind) for p in theirs.values()]
    for a, b in zip(mine.values(), theirs.values(), strict=True):
        if isinstance(b.default, types.FunctionType):
            draws = [p.default(jax.random.key(0), (3, 4), jnp.float32) for p in (a, b)]
            np.testing.assert_array_equal(*draws)
        else:
            assert a.default == b.default


def test_convolution_is_fnns_where_channels_stand_last_and_strict_rules_are_kept() -> None:
    def primitives(number: int, name: str = "GeneralConv") -> str:
        case = CASES[name][number]
        init_fun, apply_fun = case.make(stax)
        params = jax.eval_shape(lambda key: init_fun(key, case.shape)[1], jax.random.key(0))
        return str(jax.make_jaxpr(apply_fun)(params, draw(case.shape)))  # under no promotion of ranks or dtypes

    for number in (0, 1, 2):
        assert convolve_p.name in primitives(number)
    for number in (3, 4, 5, 6):
        assert convolve_p.name not in primitives(number)
        assert "conv_general_dilated" in primitives(number)
    assert convolve_p.name in primitives(3, "Conv1DTranspose")
    for name, operation in (("MaxPool", "fnn_max_pool"), ("SumPool", "fnn_sum_pool"), ("AvgPool", "fnn_sum_pool")):
        assert operation in primitives(1, name)
        assert operation not in primitives(6, name)


def test_integers_and_narrow_numbers_as_stax() -> None:
    for name, arguments in (("Dense", (3,)), ("BatchNorm", (0,)), ("MaxPool", ((2,),)), ("Flatten", None)):
        x = np.arange(30, dtype=np.float16).reshape(2, 5, 3) if name == "MaxPool" else np.arange(8).reshape(4, 2)
        made = []
        for library in (original, stax):
            init_fun, apply_fun = getattr(library, name)(*arguments) if arguments else getattr(library, name)
            _, params = init_fun(jax.random.key(0), x.shape)
            with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
                made.append(apply_fun(params, x))
        close(*reversed(made))


def test_a_list_that_is_cut_short_applies_as_many_layers() -> None:
    init_fun, apply_fun = stax.serial(stax.Dense(4), stax.Relu, stax.Dense(2))
    _, params = init_fun(jax.random.key(0), (-1, 3))
    x = jnp.ones((2, 3))
    np.testing.assert_array_equal(apply_fun(params[:2], x), jnp.maximum(apply_fun(params[:1], x), 0))


@pytest.mark.parametrize("mode", ["train", "test"])
def test_dropout_wants_a_key_in_either_mode(mode: str) -> None:
    _, apply_fun = stax.serial(stax.Dropout(0.5, mode=mode))
    with pytest.raises(ValueError, match="rng=key"):
        apply_fun([()], jnp.ones(3))


def mnist_classifier(stax: Any) -> tuple[Any, Any]:
    """Trains as JAX's own `examples/mnist_classifier.py` does, on small noise."""
    init_random_params, predict = stax.serial(
        stax.Dense(16), stax.Relu, stax.Dense(16), stax.Relu, stax.Dense(10), stax.LogSoftmax
    )

    def loss(params: Any, batch: Any) -> Any:
        inputs, targets = batch
        return -jnp.mean(jnp.sum(predict(params, inputs) * targets, axis=1))

    opt_init, opt_update, get_params = optimizers.momentum(0.001, mass=0.9)

    @jax.jit
    def update(i: Any, opt_state: Any, batch: Any) -> Any:
        return opt_update(i, jax.grad(loss)(get_params(opt_state), batch), opt_state)

    _, init_params = init_random_params(jax.random.key(0), (-1, 28 * 28))
    opt_state = opt_init(init_params)
    rng = np.random.default_rng(0)
    batch = rng.standard_normal((8, 784), np.float32), np.eye(10, dtype=np.float32)[rng.integers(0, 10, 8)]
    before = loss(get_params(opt_state), batch)
    for i in range(5):
        opt_state = update(i, opt_state, batch)
    return before - loss(get_params(opt_state), batch), get_params(opt_state)


def test_the_mnist_example_of_stax_runs_unchanged() -> None:
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        gain, params = mnist_classifier(stax)
        wanted_gain, wanted = mnist_classifier(original)
    assert gain > 0.01
    close((gain, params), (wanted_gain, wanted))


def test_it_is_a_module_of_fnn() -> None:
    import fnn.stax as module

    assert module is fnn.stax is stax
    assert fnn.interop.stax.Dense is stax.Dense
