"""Many models at once are each what `fit` makes of it alone."""

import re
import threading
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fnn
from fnn import data, train
from fnn.data import augment
from fnn.losses import softmax_cross_entropy
from fnn.train import Many, Model, fit_many
from fnn.train.many import Way, memory, way
from fnn.train.many.models import make_runs
from fnn.train.many.programs import make_programs
from fnn.train.many.way import arrange

pytestmark = pytest.mark.usefixtures("optax_promotes")


def network() -> fnn.Layer:
    hidden = fnn.serial(fnn.Dense(8), fnn.BatchNorm(), fnn.Relu, fnn.Dropout(0.2))
    return fnn.serial(flat=fnn.Flatten, hidden=hidden, head=fnn.Dense(10))


def in_float64(layer: fnn.Layer) -> fnn.Layer:
    """The layer with parameters, state and activations in float64."""

    def wide(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), tree)

    def init(key: jax.Array, x: Any, /) -> Any:
        return wide(layer.init(key, x))

    def apply(params: Any, state: Any, x: Any, /, *, train: bool, key: Any = None) -> Any:
        return layer.apply(params, state, jnp.asarray(x, jnp.float64), train=train, key=key)

    return fnn.Layer(init, apply, layer.name)


def sgd(hyper: Mapping[str, Any], steps: int) -> optax.GradientTransformation:
    return train.make_optimizer(
        "sgd", hyper["learning_rate"], steps, schedule="cosine", momentum=0.9, weight_decay=0.01
    )


def models(folds: bool = True) -> list[Model]:
    """Three models of other rates and seeds, on folds of unequal sizes or all on everything."""
    made = []
    for number, part in enumerate(np.array_split(np.arange(100), 3)):
        own = (np.setdiff1d(np.arange(100), part), part) if folds else (None, None)
        made.append(Model(f"model {number}", number, {"learning_rate": 0.1 / (number + 1)}, *own))
    return made


@pytest.fixture(scope="module")
def split() -> data.Split:
    return data.load("digits", "train[:100]")


def change(key: jax.Array, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Crops at random, and makes what is normalized then float64."""
    crop = augment.for_bytes(augment.from_flag("crop=1"), 10)
    images, labels = crop(key, images, labels)
    return images.astype(jnp.float64), labels


@pytest.fixture(scope="module")
def alone(split: data.Split) -> list[train.Fit]:
    """What `fit` makes of each of `models()` in float64."""
    made = []
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        for model in models():
            assert model.samples is not None
            assert model.validation is not None
            rate = {"learning_rate": jnp.float32(model.hyper["learning_rate"])}
            trained = train.fit(
                in_float64(network()),
                split.take(model.samples),
                sgd(rate, 3 * -(-len(model.samples) // 16)),
                epochs=3,
                batch_size=16,
                augment=change,
                seed=model.seed,
                validation=split.take(model.validation),
            )
            made.append(trained)
    return made


@pytest.mark.parametrize("way", ["together", "side by side", "in groups"])  # turns run the programs of the second
def test_each_is_what_fit_makes_of_it_alone_in_float64(split: data.Split, alone: list[train.Fit], way: Any) -> None:
    with jax.enable_x64(True):
        layer = in_float64(network())
        many = fit_many(layer, split, sgd, models(), epochs=3, batch_size=16, augment=change, way=way, at_once=4)
        assert [one.model.name for one in many.trained] == [model.name for model in models()]
        for one, own in zip(many.trained, alone, strict=True):
            leaves = zip(
                jax.tree.leaves((one.train_state.params, one.train_state.state)),
                jax.tree.leaves((own.train_state.params, own.train_state.state)),
                strict=True,
            )
            for mine, theirs in leaves:
                np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
            history = [[e.train_loss, e.train_accuracy, e.validation_loss, e.validation_accuracy] for e in own.history]
            np.testing.assert_allclose(one.history, np.asarray(history, float), rtol=1e-6)


def test_together_and_in_turns_begin_alike_in_float32(split: data.Split) -> None:
    few = models(folds=False)
    one, other = (
        fit_many(network(), split, sgd, few, epochs=1, batch_size=50, way=way) for way in ("together", "in turns")
    )
    for a, b in zip(one.trained, other.trained, strict=True):
        for mine, theirs in zip(
            jax.tree.leaves(a.train_state.params), jax.tree.leaves(b.train_state.params), strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    assert np.isnan(one.trained[0].history[:, 2:]).all()


def test_the_measurement_leaves_nothing_in_the_models_and_says_what_it_found(split: data.Split) -> None:
    few = models(folds=False)
    measured = fit_many(network(), split, sgd, few, epochs=1, batch_size=50)
    assert measured.way in ("together", "in turns", "side by side")  # groups of four would be no groups
    assert re.search(r"a step of 3 models took [\d.e+-]+ ms together, [\d.e+-]+ ms in turns", measured.why)
    told = fit_many(network(), split, sgd, few, epochs=1, batch_size=50, way=measured.way)
    for a, b in zip(measured.trained, told.trained, strict=True):
        assert train.checkpoint.digest_of_tree(a.train_state) == train.checkpoint.digest_of_tree(b.train_state)


@pytest.mark.parametrize(
    ("way", "threads", "sizes"),
    [
        ("together", 2, [11]),
        ("in turns", 2, [1] * 11),
        ("side by side", 2, [1] * 11),
        ("in groups", 2, [3, 4, 4]),
        ("in groups", 3, [2, 3, 3, 3]),
        ("in groups", 8, [1] * 11),
    ],
)
def test_each_way_trains_every_model_in_parts_that_fit_beside_each_other(
    split: data.Split, way: Way, threads: int, sizes: list[int]
) -> None:
    runs = make_runs([Model(f"{number}") for number in range(11)], split, 10, False)
    made = arrange(runs, way, threads)
    assert [run.model.name for part in made.parts for run in part] == [f"{number}" for number in range(11)]
    assert sorted(map(len, made.parts)) == sizes
    assert made.threads == (threads if way in ("side by side", "in groups") else 1)
    assert max(map(len, made.parts)) * made.threads <= len(runs)


def test_groups_are_tried_where_there_are_more_models_than_one_has(
    split: data.Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Way] = []

    def measure(programs: Any, of: Any, arrangements: dict[Way, Any]) -> dict[Way, float]:
        tried.extend(arrangements)
        return {name: seconds[name] for name in arrangements}

    monkeypatch.setattr(way, "_measure", measure)
    runs = make_runs([Model(f"{number}") for number in range(5)], split, 10, False)

    def choose(count: int, threads: int) -> tuple[str, list[Way]]:
        tried.clear()
        return way.choose_way(None, None, runs[:count], threads)[0], [*tried]  # pyright: ignore - nothing is run

    seconds: dict[Way, float] = {"together": 2, "in turns": 4, "side by side": 3, "in groups": 1}
    once: list[Way] = ["together", "in turns", "side by side"]
    assert choose(5, 2) == ("in groups", [*once, "together", "in groups"])
    assert choose(4, 2) == ("together", once)
    assert choose(5, 1) == ("together", once[:2])
    seconds["in turns"] = 1.5  # a program of several is slower
    assert choose(5, 2) == ("in turns", once)


def test_nothing_is_compiled_in_a_thread(split: data.Split) -> None:
    """Where it would not see settings that were made by `with`, and the others would compile the same."""
    at: list[threading.Thread] = []

    def recording(hyper: Mapping[str, Any], steps: int) -> optax.GradientTransformation:
        at.append(threading.current_thread())
        return optax.sgd(hyper["learning_rate"])

    runs = make_runs([Model(f"{n}", n, {"learning_rate": 0.1}) for n in range(4)], split, 50, False)
    programs = make_programs(network(), recording, softmax_cross_entropy, None, "halt", (50, *split.image_shape))(2)
    taken = way._measure(programs, (split.images, split.labels), {"in groups": arrange(runs, "in groups", 2)})
    assert taken["in groups"] > 0
    assert set(at) == {threading.main_thread()}
    assert len(at) <= 3  # to begin, its shapes, and to take steps


def bytes_in(tree: Any) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree) if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def test_what_does_not_fit_into_memory_is_split_into_equal_groups(
    split: data.Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = [Model(f"{seed}", seed, {"learning_rate": 0.1}, None, np.arange(50)) for seed in range(6)]
    wide = fnn.serial(flat=fnn.Flatten, dense=fnn.Dense(4000), act=fnn.Relu, head=fnn.Dense(10))

    needed: list[int] = []
    estimate = memory.bytes_of
    monkeypatch.setattr(memory, "bytes_of", lambda *given: needed.append(estimate(*given)) or needed[-1])

    def train_with(free: float) -> tuple[list[int], Many]:
        monkeypatch.setattr(memory, "free_bytes", lambda: free)
        sizes: list[int] = []
        made = fit_many(
            *(wide, split, sgd, several), epochs=1, batch_size=50, way="together",
            on_epoch=lambda _, rows: sizes.append(len(rows)),
        )  # fmt: skip
        return sizes, made

    sizes, whole = train_with(2**50)
    assert (sizes, whole.why, len(needed)) == ([6], "as told", 1)
    # A model is its parameters and their momentum, and the step's gradients and hidden units beside them.
    one = bytes_in(whole.trained[0].train_state)
    assert 1.5 <= needed[0] / (6 * one) <= 4
    sizes, parted = train_with(needed[0] * 5 / 6 / memory.SHARE)
    assert sizes == [3, 3]
    for a, b in zip(whole.trained, parted.trained, strict=True):
        for mine, theirs in zip(
            jax.tree.leaves(a.train_state.params), jax.tree.leaves(b.train_state.params), strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    sizes, alone = train_with(one)
    assert sizes == [1] * 6
    assert re.match(r"6 together would take 0\.0\d+ GiB of the 0\.0\d+ GiB that are free", alone.why)


def test_what_ends_one_side_by_side_ends_all(split: data.Split) -> None:
    told: list[int] = []

    def stop(epoch: int, rows: np.ndarray) -> None:
        told.append(epoch)
        if len(told) == 3:
            raise KeyError("enough")

    several = [Model(f"{seed}", seed, {"learning_rate": 0.1}) for seed in range(20)]
    with pytest.raises(KeyError, match="enough"):
        fit_many(network(), split, sgd, several, epochs=1000, batch_size=50, way="side by side", on_epoch=stop)
    assert len(told) <= 4  # the other of two threads may have been about to tell


def test_another_value_compiles_nothing_again(split: data.Split) -> None:
    calls: list[int] = []

    def counting(hyper: Mapping[str, Any], steps: int) -> optax.GradientTransformation:
        calls.append(1)
        return optax.sgd(hyper["learning_rate"])

    counts = []
    for number in (1, 3):
        calls.clear()
        several = [Model(f"{i}", i, {"learning_rate": 0.01 * (i + 1)}) for i in range(number)]
        fit_many(network(), split, counting, several, epochs=1, batch_size=50, way="in turns")
        counts.append(len(calls))
    assert counts[0] == counts[1]


def test_an_ensemble_is_the_mean_of_its_models_probabilities(split: data.Split) -> None:
    many = fit_many(network(), split, sgd, models(folds=False), epochs=2, batch_size=50, way="in turns")
    outputs = many.outputs(split)
    assert outputs.shape == (3, 100, 10)
    one = many.trained[1]
    expected, _ = network().apply(
        one.train_state.params, one.train_state.state, one.normalization(split.images), train=False
    )
    np.testing.assert_allclose(outputs[1], expected, rtol=1e-5, atol=1e-5)
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(many.ensemble(split), probabilities.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(many.ensemble(split, [1]), probabilities[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(many.accuracies(split)[0], (outputs[0].argmax(-1) == split.labels).mean())


def test_one_that_is_not_finite_is_halted_where_fit_halts_it_and_the_others_go_on(split: data.Split) -> None:
    layer = fnn.serial(flat=fnn.Flatten, hidden=fnn.Dense(8), act=fnn.Relu, head=fnn.Dense(10))
    poison = jnp.asarray(split.images[7:8])

    def change(key: jax.Array, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        poisoned = (images == poison).all(axis=(1, 2, 3), keepdims=True)
        return jnp.where(poisoned, jnp.float32(jnp.nan), images.astype(jnp.float32) / 255), labels

    without, judges = [np.setdiff1d(np.arange(100), [left_out]) for left_out in (7, 8)], np.arange(30)
    several = [Model(f"{n}", n, {"learning_rate": 0.1}, without[n], judges) for n in (0, 1)]

    def plain(hyper: Mapping[str, Any], steps: int) -> optax.GradientTransformation:
        return optax.sgd(hyper["learning_rate"])

    def train_them(models: list[Model], **options: Any) -> list[train.Trained]:
        options |= {"epochs": 3, "batch_size": 33, "augment": change, "way": "together"}
        return fit_many(layer, split, plain, models, **options).trained

    good, bad = train_them(several)
    assert bad.halted in range(3)  # in the first epoch: it sees every sample
    with pytest.raises(FloatingPointError, match=rf"step {bad.halted}\b"):
        train.fit(layer, split.take(without[1]), optax.sgd(0.1), epochs=3, batch_size=33, augment=change, seed=1)
    assert int(bad.train_state.step) == bad.halted  # also in the epochs after that, most of whose steps are finite
    assert np.isnan(bad.history).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(bad.train_state.params))
    (alone,) = train_them(several[:1])
    assert good.halted is None
    assert np.isfinite(good.history).all()
    np.testing.assert_allclose(good.history, alone.history, rtol=1e-4)
    skipped = train_them(several, on_nonfinite="skip")[1]
    assert skipped.halted is None
    assert np.isfinite(skipped.history).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(skipped.train_state.params))
    assert int(skipped.train_state.step) == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": []}, "at least one model"),
        ({"models": [Model("a", hyper={"learning_rate": 1.0}), Model("b")]}, "same hyperparameters"),
        ({"at_once": 0}, "at least one model at once"),
        ({"epochs": 0}, "at least 1 epoch"),
        ({"batch_size": 101}, "from 1 to 100"),
    ],
)
def test_what_cannot_be_trained_is_refused(split: data.Split, change: Any, message: str) -> None:
    arguments = {"models": models(folds=False), "epochs": 1, "batch_size": 10} | change
    with pytest.raises(ValueError, match=message):
        fit_many(network(), split, sgd, **arguments)
