"""What an augmentation is: a pure function of (key, images, targets), to be compiled into the training step."""

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp

from fnn.keys import named_key


class AugmentFn(Protocol):
    """`(key, images, targets) -> (images, targets)`, of the same shapes and dtypes; see `Augmentation.__call__`."""

    def __call__(self, key: jax.Array, images: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]: ...


@dataclass(frozen=True)
class Augmentation:
    """A random change of a batch that leaves its classes recognizable.

    Every example draws on its own, under the augmentation's name: `named_key(key, name)`. So one key serves a whole
    chain, and putting another augmentation into the chain changes no draw of those that were there. Example `i` draws
    the same whatever the batch's size, because JAX counts random numbers through in order. (To split the key over the
    examples would give the same freedom, but takes 3.5 times as long where every pixel draws.) Only partners for mixing
    depend on the whole batch.
    """

    names: tuple[str, ...]
    """Under which names it draws, in the order in which it acts; none, if it changes nothing."""
    apply: AugmentFn
    mixes: bool = False
    """Whether examples are mixed with one another, so that `targets` must be rows of weights."""

    def __call__(self, key: jax.Array, images: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Changes a batch.

        Args:
          key: of this step: with the same key the same is drawn.
          images: `(batch, height, width, channels)`, floating, from 0 (black) to 1, before normalization.
          targets: `(batch,)` class numbers, or `(batch, classes)` weights that sum to 1; weights if it `mixes`.

        Returns:
          Images and targets of the same shapes and dtypes.

        Raises:
          ValueError: if the images are not such, the targets are of another number, or not weights where they must be.
        """
        if images.ndim != 4 or not jnp.issubdtype(images.dtype, jnp.floating):
            raise ValueError(
                "an augmentation expects floating images of shape (batch, height, width, channels) from 0 to 1, "
                f"got {images.dtype} {images.shape}; bytes are divided by 255 first, see fnn.data.augment.for_bytes."
            )
        if targets.ndim not in (1, 2) or len(targets) != len(images):
            raise ValueError(
                f"an augmentation of {len(images)} images expects as many targets, (batch,) class numbers or "
                f"(batch, classes) weights, got {targets.shape}."
            )
        if self.mixes and not (targets.ndim == 2 and jnp.issubdtype(targets.dtype, jnp.floating)):
            raise ValueError(
                f"{', '.join(self.names)} mixes examples and expects targets as (batch, classes) weights, such as "
                f"jax.nn.one_hot(labels, classes), got {targets.dtype} {targets.shape}."
            )
        return self.apply(key, images, targets)


unchanged = Augmentation((), lambda key, images, targets: (images, targets))  # noqa: ARG005
"""Leaves every batch as it is: what each augmentation is at strength 0."""


def on_images(names: str | tuple[str, ...], change: Callable[[jax.Array, jax.Array], jax.Array]) -> Augmentation:
    """Makes an augmentation that leaves the targets alone from `(key, images) -> images`."""
    names = (names,) if isinstance(names, str) else names
    return Augmentation(names, lambda key, images, targets: (change(key, images), targets))


def draw_uniform(key: jax.Array, name: str, examples: int, most: float, least: float | None = None) -> jax.Array:
    """Draws a number for each example, uniform from `least`, by default `-most`, to `most`: `(examples,)`, float32."""
    low = -most if least is None else least
    return jax.random.uniform(named_key(key, name), (examples,), jnp.float32, low, most)


def draw_pixels(
    key: jax.Array, name: str, shape: tuple[int, ...], sample: Callable[[jax.Array, tuple[int, ...]], jax.Array]
) -> jax.Array:
    """Draws numbers of `shape`, `(batch, …)`: what `sample(named_key(key, name), shape)` gives, faster."""
    # The numbers depend on their place in order alone, not on the shape. XLA on the CPU unrolls the random generator
    # over short axes: for 5×2×9×8 numbers it compiles 3 s, for 5×144 0.3 s; 128×32×32×3 numbers took 17 ms, now 2.
    return sample(named_key(key, name), (shape[0], math.prod(shape[1:]))).reshape(shape)


def working_dtype(images: jax.Array) -> jnp.dtype:
    """In what is computed: at least float32, in which a coordinate is told from its neighbour in any image."""
    return images.dtype if images.dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def per_example(values: jax.Array, images: jax.Array) -> jax.Array:
    """Gives `(batch,)` numbers the rank and the working dtype of images: `(batch, 1, 1, 1)`."""
    return values.astype(working_dtype(images)).reshape(-1, 1, 1, 1)


def check_strength(name: str, value: float, most: float, unit: str, *, whole: bool = False) -> None:
    """Raises `ValueError` unless `value` is a number from 0 to `most`.

    Args:
      name: the augmentation's.
      value: its strength.
      most: the highest allowed; `math.inf` allows every finite number.
      unit: of the strength, in words.
      whole: whether it must be a whole number.
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not 0 <= value <= most or (whole and value != int(value)):
        limits = "of at least 0" if most == math.inf else f"from 0 to {most:g}"
        raise ValueError(f"{name} expects {unit}, a {'whole ' if whole else ''}number {limits}, got {value!r}.")


def for_bytes(augmentation: Augmentation, classes: int) -> AugmentFn:
    """Makes an augmentation ready for batches as they come from a `fnn.data.Split`.

    Args:
      augmentation: what is done.
      classes: how many there are.

    Returns:
      `(key, images, labels) -> (images, targets)`: from uint8 images and `(batch,)` class numbers to float32 images
      from 0 to 1, and class numbers still, or `(batch, classes)` float32 weights where the augmentation mixes.
    """

    def apply(key: jax.Array, images: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
        if images.dtype != jnp.uint8 or targets.ndim != 1:
            raise ValueError(
                f"expected uint8 images and (batch,) labels, got {images.dtype} images and {targets.shape} labels."
            )
        targets = jax.nn.one_hot(targets, classes, dtype=jnp.float32) if augmentation.mixes else targets
        return augmentation(key, images.astype(jnp.float32) / 255, targets)

    return apply
