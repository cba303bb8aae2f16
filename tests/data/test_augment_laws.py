"""What holds for every augmentation, and for chains of them."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnn.data import augment

STRENGTHS = {
    "flip": 0.5,
    "crop": 2,
    "rotation": 30.0,
    "translation": 0.2,
    "scale": 0.3,
    "shear": 20.0,
    "elastic": 20.0,
    "brightness": 0.3,
    "contrast": 0.5,
    "saturation": 0.5,
    "noise": 0.1,
    "cutout": 3,
    "mixup": 0.5,
    "cutmix": 1.0,
}
MIXING = ("mixup", "cutmix")
every_name = pytest.mark.parametrize("name", STRENGTHS)


@functools.cache
def one(name: str) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Compiled once for all tests: these take as long as their compilations."""
    return jax.jit(augment.chain(**{name: STRENGTHS[name]}))  # pyright: ignore[reportArgumentType]


def batch(
    examples: int = 16, height: int = 9, width: int = 8, channels: int = 3, dtype: str = "float32", seed: int = 0
) -> tuple[jax.Array, jax.Array]:
    images = np.random.default_rng(seed).uniform(size=(examples, height, width, channels))
    return jnp.asarray(images.astype(dtype)), jax.nn.one_hot(jnp.arange(examples), examples)


def same(one: tuple[jax.Array, jax.Array], other: tuple[jax.Array, jax.Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_list_is_complete() -> None:
    assert tuple(STRENGTHS) == augment.NAMES
    makers = {name: getattr(augment, name) for name in augment.NAMES}
    assert [maker(STRENGTHS[name]).names for name, maker in makers.items()] == [(name,) for name in STRENGTHS]
    assert all(maker(0) is augment.unchanged for maker in makers.values())


@every_name
def test_strength_0_is_the_batch_itself(name: str, key: jax.Array) -> None:
    given_batch = batch(4)
    assert same(augment.from_flag(f"{name}=0")(key, *given_batch), given_batch)


@pytest.mark.parametrize("name", [name for name in STRENGTHS if name not in ("flip", "crop", "cutout", *MIXING)])
def test_a_tiny_strength_changes_tinily(name: str, key: jax.Array) -> None:
    images, targets = batch(4)
    changed, _ = jax.jit(augment.from_flag(f"{name}=0.0001"))(key, images, targets)
    # From outside comes black, so a pixel at the edge fades by as much as it moves.
    assert 0 < np.abs(changed - images).max() < 2e-3


@every_name
def test_the_shape_the_dtype_and_the_range_are_kept(name: str, key: jax.Array) -> None:
    images, targets = batch()
    changed, changed_targets = one(name)(key, images, targets)
    assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
    assert (changed_targets.shape, changed_targets.dtype) == (targets.shape, targets.dtype)
    assert 0 <= changed.min() <= changed.max() <= 1 + 1e-6
    assert not np.array_equal(changed, images)
    assert np.array_equal(changed_targets, targets) == (name not in MIXING)


@pytest.mark.parametrize(("dtype", "atol"), [("bfloat16", 0.04), ("float64", 1e-4)])
def test_a_chain_keeps_other_dtypes_and_draws_the_same(dtype: str, atol: float) -> None:
    with jax.enable_x64(dtype == "float64"):
        key, (images, targets) = jax.random.key(0), batch(4, dtype=dtype)
        change = jax.jit(augment.from_flag("flip=0.5,crop=2,rotation=30,elastic=20,contrast=0.5,cutout=3,cutmix=1"))
        changed, weights = change(key, images, targets)
        assert changed.dtype == images.dtype
        assert weights.dtype == targets.dtype
        single, _ = change(key, images.astype(jnp.float32), targets)
        np.testing.assert_allclose(changed.astype(jnp.float32), single, atol=atol)


@settings(deadline=None, max_examples=5, derandomize=True)
@given(
    st.tuples(st.integers(1, 4), st.integers(4, 9), st.integers(4, 9), st.sampled_from([1, 2, 3, 5])),
    st.dictionaries(st.sampled_from(augment.NAMES), st.sampled_from([0.0, 0.5, 1.0]), max_size=4),
)
def test_every_chain_keeps_every_shape_and_labels_sum_to_one(shape: tuple, factors: dict[str, float]) -> None:
    strengths = {name: type(STRENGTHS[name])(factor * STRENGTHS[name]) for name, factor in factors.items()}
    if shape[3] != 3:
        strengths.pop("saturation", None)
    images, targets = batch(*shape)
    changed, weights = jax.jit(augment.chain(**strengths))(jax.random.key(1), images, targets)  # pyright: ignore
    assert changed.shape == images.shape
    assert np.isfinite(changed).all()
    assert 0 <= changed.min() <= changed.max() <= 1 + 1e-6
    np.testing.assert_allclose(weights.sum(axis=1), np.ones(shape[0]), atol=1e-6)


@every_name
def test_a_key_says_all(name: str, key: jax.Array) -> None:
    given_batch, change = batch(), one(name)
    assert same(change(key, *given_batch), change(key, *given_batch))
    assert not same(change(jax.random.key(1), *given_batch), change(key, *given_batch))


@pytest.mark.parametrize("name", [name for name in STRENGTHS if name not in MIXING])
def test_each_example_draws_on_its_own_whatever_the_size_of_the_batch(name: str, key: jax.Array) -> None:
    (image, *_), targets = batch()
    images = jnp.stack([image] * 16)
    changed, _ = one(name)(key, images, targets)
    kinds = len({np.asarray(image).tobytes() for image in changed})
    # Of 25 places of a crop and 72 of a square, sixteen draws hit some twice.
    assert kinds >= {"flip": 2, "crop": 8, "cutout": 11}.get(name, 16)
    fewer, _ = one(name)(key, images[:5], targets[:5])
    np.testing.assert_allclose(fewer, changed[:5], atol=1e-6)


@pytest.mark.parametrize(("first", "second"), [("flip", "crop"), ("crop", "rotation"), ("rotation", "brightness"),
                         ("brightness", "contrast"), ("saturation", "noise"), ("noise", "cutout"),
                         ("cutout", "mixup"), ("mixup", "cutmix")])  # fmt: skip
def test_a_chain_is_one_after_the_other_and_changes_no_draw(first: str, second: str, key: jax.Array) -> None:
    given_batch = batch()
    both = augment.from_flag(f"{second}={STRENGTHS[second]},{first}={STRENGTHS[first]}")  # the order means nothing
    assert both.names == (first, second)
    assert both.mixes == (second in MIXING)
    after = one(second)(key, *one(first)(key, *given_batch))
    for together, in_turn in zip(jax.jit(both)(key, *given_batch), after, strict=True):
        np.testing.assert_allclose(together, in_turn, atol=1e-6)


def test_a_chain_of_one_draws_as_the_augmentation_alone(key: jax.Array) -> None:
    given_batch = batch(4)
    assert same(augment.compose(augment.flip(0.5))(key, *given_batch), augment.flip(0.5)(key, *given_batch))
    assert augment.compose() is augment.unchanged
    assert augment.compose(augment.unchanged, augment.noise(0)) is augment.unchanged


def test_all_of_it_scans_and_maps(key: jax.Array) -> None:
    given_batch, keys = batch(3), jax.random.split(key, 2)
    change = augment.from_flag("crop=2,rotation=30,mixup=0.5")
    compiled = jax.jit(change)
    by_hand = [compiled(key, *given_batch) for key in keys]
    mapped = jax.jit(jax.vmap(change, (0, None, None)))(keys, *given_batch)
    _, scanned = jax.jit(lambda keys: jax.lax.scan(lambda _, key: (None, change(key, *given_batch)), None, keys))(keys)
    for together in (mapped, scanned):
        for part, name in enumerate(("images", "targets")):
            expected = np.stack([result[part] for result in by_hand])
            np.testing.assert_allclose(together[part], expected, atol=1e-5, err_msg=name)


def test_bytes_become_floats_and_labels_weights_where_they_must(key: jax.Array) -> None:
    images, labels = jnp.array([[[[0]], [[51]]], [[[255]], [[102]]]], jnp.uint8), jnp.array([2, 0])
    kept, same_labels = augment.for_bytes(augment.unchanged, 3)(key, images, labels)
    np.testing.assert_allclose(kept.reshape(2, 2), [[0, 0.2], [1, 0.4]], rtol=1e-6)
    assert kept.dtype == jnp.float32
    np.testing.assert_array_equal(same_labels, labels)
    _, weights = augment.for_bytes(augment.mixup(1.0), 3)(key, images, labels)
    assert (weights.shape, weights.dtype) == ((2, 3), jnp.float32)
    np.testing.assert_array_equal(weights[:, 1], [0, 0])
    with pytest.raises(ValueError, match="expected uint8 images"):
        augment.for_bytes(augment.unchanged, 3)(key, kept, labels)


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (jnp.zeros((2, 4, 4, 1), jnp.uint8), jnp.zeros(2, jnp.int32), "floating images.*uint8.*255"),
        (jnp.zeros((4, 4, 1)), jnp.zeros(4, jnp.int32), "batch, height, width, channels"),
        (jnp.zeros((2, 4, 4, 1)), jnp.zeros(3, jnp.int32), "2 images expects as many targets"),
        (jnp.zeros((2, 4, 4, 1)), jnp.zeros((2, 3, 1)), "expects as many targets"),
    ],
)
def test_a_wrong_batch_is_refused(images: jax.Array, targets: jax.Array, message: str, key: jax.Array) -> None:
    with pytest.raises(ValueError, match=message):
        augment.flip(0.5)(key, images, targets)


@pytest.mark.parametrize("name", MIXING)
def test_mixing_class_numbers_is_refused(name: str, key: jax.Array) -> None:
    with pytest.raises(ValueError, match=f"{name} mixes examples.*one_hot.*int32"):
        one(name)(key, jnp.zeros((2, 4, 4, 1)), jnp.zeros(2, jnp.int32))


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("rotate=3", "no augmentation is called 'rotate'; choose from flip, crop, rotation"),
        ("flip=0.5,,crop=1", "no augmentation is called ''"),
        ("flip", "flip expects a number, such as flip=1, got 'flip'"),
        ("flip=yes", "flip expects a number.*'flip=yes'"),
        ("flip=0.5,flip=0.1", "flip is given twice"),
        ("flip=1.5", "flip expects a probability, a number from 0 to 1, got 1.5"),
        ("flip=-0.1", "from 0 to 1, got -0.1"),
        ("flip=nan", "from 0 to 1, got nan"),
        ("crop=1.5", "crop expects a padding in pixels, a whole number of at least 0, got 1.5"),
        ("crop=-1", "got -1"),
        ("rotation=181", "rotation expects degrees, a number from 0 to 180"),
        ("translation=1.1", "translation expects a share of the image, a number from 0 to 1"),
        ("scale=inf", "scale.* of at least 0, got inf"),
        ("shear=90", "shear expects degrees, a number from 0 to 80"),
        ("elastic=-3", "elastic expects pixels"),
        ("brightness=2", "brightness"),
        ("contrast=2", "contrast"),
        ("saturation=2", "saturation"),
        ("noise=-1", "noise"),
        ("cutout=2.5", "cutout expects a side in pixels, a whole number"),
        ("mixup=-1", "mixup"),
        ("cutmix=inf", "cutmix"),
    ],
)
def test_a_wrong_flag_is_refused_at_once(flag: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        augment.from_flag(flag)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="flip 2 times"):
        augment.compose(augment.flip(0.5), augment.noise(1), augment.flip(0.1))
    with pytest.raises(ValueError, match="rotation 2 times"):
        augment.compose(augment.warp(rotation=3, shear=2), augment.rotation(4))
    with pytest.raises(ValueError, match="positive sigma"):
        augment.elastic(3, sigma=0)
    with pytest.raises(ValueError, match="paddings zero, reflect, got 'wrap'"):
        augment.crop(2, "wrap")
    with pytest.raises(ValueError, match="fill expects a colour"):
        augment.cutout(2, fill=2)
    with pytest.raises(ValueError, match="got True"):
        augment.flip(True)
    with pytest.raises(ValueError, match="got '1'"):
        augment.flip("1")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (augment.crop(4), "crop by 4 pixels expects images of more rows and columns.*4, 5, 1"),
        (augment.cutout(5), "cutout of 5×5 pixels expects larger images.*4, 5, 1"),
        (augment.saturation(0.5), "saturation expects images of 3 channels.*4, 5, 1"),
    ],
)
def test_images_that_do_not_fit_are_refused(change: augment.Augmentation, message: str, key: jax.Array) -> None:
    with pytest.raises(ValueError, match=message):
        change(key, *batch(2, 4, 5, 1))


def test_spaces_and_nothing_are_fine() -> None:
    assert augment.from_flag("") is augment.unchanged
    assert augment.from_flag(" flip = 0.5 , crop=2.0 ").names == ("flip", "crop")
