"""What the units of a trained network wait for: in real images, and in images climbed to."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import fnn
from fnn import analysis, data
from fnn.keys import named_key

TOP = 9
"""How many of the strongest images of a unit are counted."""
AT_ONCE = 128
"""How many images go through a network at a time."""
TRIES = 8
"""How often an ascent begins; from some places no way leads up, where all rectifiers are cut off."""


class Network(NamedTuple):
    """A network that has learnt."""

    layer: fnn.Layer
    params: Any
    state: Any
    normalization: data.Normalization

    def to_pixels(self, x: Any) -> np.ndarray:
        """Turns what the network is given back into images from 0 to 1."""
        mean, std = (moment.reshape(1, 1, 1, -1) for moment in self.normalization)
        return np.asarray(x) * std + mean


class Seen(NamedTuple):
    """Images, and what a network makes of them."""

    images: np.ndarray
    """`(images, height, width, channels)`, from 0 to 1."""
    labels: np.ndarray
    """`(images,)`."""
    outputs: np.ndarray
    """`(images, classes)`."""
    maps: dict[str, np.ndarray]
    """`(images, rows, columns, channels)`, by path."""


class Climb(NamedTuple):
    """How images are climbed to: see `fnn.analysis.ascend`.

    What is climbed is the score as a share of the highest that a real image has, so that one prior fits all layers.
    """

    steps: int
    smoothness: float
    """How much of that the mean squared difference of neighbouring pixels costs."""
    decay: float
    """How much of that the mean square of the pixels costs."""
    seed: int
    """Of the noise from which it begins."""

    def __call__(
        self,
        network: Network,
        score_of: Callable[[np.ndarray], analysis.Score],
        asked: np.ndarray,
        highest: np.ndarray,
        shape: tuple[int, ...],
        name: str,
    ) -> tuple[jax.Array, np.ndarray]:
        """Climbs from noise as strong as the training images' deviation, several times, and keeps the highest.

        Args:
          network: whose scores are climbed.
          score_of: makes the score that asks image `i` for the `i`th of some units or classes.
          asked: `(n,)`, integers: these units or classes.
          highest: `(n,)`: the highest score that a real image has.
          shape: `(height, width, channels)` of an image.
          name: what is climbed; the noise's key is derived from it and the seed.

        Returns:
          Images, `(n, height, width, channels)`, normalized, with pixels from black to white; and their scores, `(n,)`.
        """
        mean, std = network.normalization
        score, pixels = score_of(np.tile(asked, TRIES)), shape[0] * shape[1]
        scale = jnp.tile(jnp.maximum(jnp.abs(jnp.asarray(highest)), 1e-3), TRIES)  # a dead unit's is 0
        start = jax.random.normal(named_key(jax.random.key(self.seed), name), (TRIES * len(asked), *shape))

        @jax.jit
        def climb(start: jax.Array) -> tuple[jax.Array, jax.Array]:
            images = analysis.ascend(
                lambda x: score(x) / scale, start,
                steps=self.steps, smoothness=self.smoothness / pixels, decay=self.decay / pixels,
                low=-mean / std, high=(1 - mean) / std,
            )  # fmt: skip
            scores = score(images).reshape(TRIES, len(asked))
            best = jnp.argmax(scores, axis=0), jnp.arange(len(asked))
            return images.reshape(TRIES, len(asked), *shape)[best], scores[best]

        images, scores = climb(start)
        return images, np.asarray(scores)


def look(network: Network, images: np.ndarray, labels: np.ndarray, paths: Sequence[str]) -> Seen:
    """Applies a network to images from 0 to 1, and keeps what the named layers make of them."""

    @jax.jit
    def outputs_and_maps(params: Any, state: Any, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        outputs, _, passages = fnn.intermediates(network.layer, params, state, x, train=False)
        return outputs, {passage.path: passage.y for passage in passages if passage.path in paths}

    def apply(part: np.ndarray) -> tuple[jax.Array, dict[str, jax.Array]]:
        return outputs_and_maps(network.params, network.state, network.normalization(part))

    return Seen(images, labels, *in_parts(apply, images))


def in_parts(f: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """Applies a function to a few samples at a time, and puts what it makes together again."""
    parts = [f(*(array[at : at + AT_ONCE] for array in arrays)) for at in range(0, len(arrays[0]), AT_ONCE)]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


class Units(NamedTuple):
    """Some units of a layer."""

    about: dict[str, Any]
    """The numbers."""
    climbed: np.ndarray
    """`(units, size, size, channels)`: what a unit in the middle sees of the image that was climbed to; NaN outside."""
    top: analysis.TopPatches
    """Of all units."""


def look_at_units(
    network: Network, seen: Seen, path: str, field: analysis.ReceptiveField, count: int, climb: Climb
) -> Units:
    """Finds what excites the units of a layer: the strongest test images of all, and climbed images for the first.

    Args:
      network: that the layer is in.
      seen: what was looked at.
      path: of the layer.
      field: what a pixel of its maps sees.
      count: how many units are climbed.
      climb: how.

    Raises:
      ValueError: if the layer's pixels do not see one window of whole pixels each.
    """
    top = analysis.top_patches(seen.maps[path], seen.images, field, TOP)
    units = np.arange(min(count, len(top.patches)))
    score_of = partial(analysis.unit_score, network.layer, network.params, network.state, path)
    climbed, reached = climb(network, score_of, units, top.activations[units, 0], seen.images.shape[1:], path)
    row, column = (size // 2 for size in seen.maps[path].shape[1:3])
    about = {
        "sees": list(field.size),
        "units": len(top.patches),
        "of_one_class": float(np.mean([share_of_one_class(seen.labels[of]) for of in top.images])),
        "strongest_activation": float(top.activations[units, 0].mean()),
        "climbed_activation": float(reached.mean()),
        "climbed_above_every_image": float(np.mean(reached > top.activations[units, 0])),
    }
    sights = [analysis.seen_from(image, field, row, column) for image in network.to_pixels(climbed)]
    return Units(about, np.asarray(sights), top)


def share_of_one_class(labels: np.ndarray) -> float:
    """Returns the share of the class that most of some samples are of."""
    return float(np.bincount(labels).max() / len(labels))


def chance_of_one_class(labels: np.ndarray, seed: int) -> float:
    """Returns what the share of one class comes to among as many images drawn at random as are counted for a unit."""
    random = np.random.default_rng(seed)
    drawn = (random.choice(labels, TOP, replace=False) for _ in range(1000))
    return float(np.mean([share_of_one_class(labels) for labels in drawn]))


def climb_classes(network: Network, seen: Seen, climb: Climb) -> tuple[np.ndarray, np.ndarray]:
    """Climbs every class's score.

    Returns:
      The images, `(classes, height, width, channels)`, from 0 to 1, and their scores, `(classes,)`.
    """
    classes = np.arange(seen.outputs.shape[1])
    score_of = partial(analysis.class_score, network.layer, network.params, network.state)
    climbed, scores = climb(network, score_of, classes, seen.outputs.max(axis=0), seen.images.shape[1:], "classes")
    return network.to_pixels(climbed), scores


def first_filters(network: Network, image_shape: tuple[int, ...]) -> tuple[str, np.ndarray]:
    """Returns the path of the first layer that makes maps with a kernel, and the kernel.

    Returns:
      The path, and `(units, height, width, image channels)`.
    """
    x = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    passages = jax.eval_shape(
        lambda params, state, x: fnn.intermediates(network.layer, params, state, x, train=False)[2],
        network.params, network.state, x,
    )  # fmt: skip
    for passage in passages:
        entry = network.params
        for name in passage.path.split("/"):
            entry = entry.get(name, {}) if isinstance(entry, dict) else {}
        kernel = entry.get("kernel") if isinstance(entry, dict) else None
        if kernel is not None and kernel.ndim == 4:
            return passage.path, np.moveaxis(np.asarray(kernel), -1, 0)
    raise ValueError("the network has no convolution")
