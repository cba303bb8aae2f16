"""Which sets can be prepared, and by what in place of the parts of TFDS that call TensorFlow."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fnn.data.prepare import cifar, mnist, svhn


class Recipe(NamedTuple):
    """The parts of one set that TFDS does by TensorFlow. All else is TFDS's own: version, features, splits, files."""

    examples: Callable[..., Iterator[tuple[int, dict[str, Any]]]]
    """`(builder, **what the builder's own generator takes) -> keys and examples`."""
    members: Callable[[Any], Mapping[str, int]]
    """`builder -> ` what an archive is opened for: names within it, and how many bytes each may have."""
    check: Callable[[Any, Path], None] | None = None
    """`(builder, folder of the unpacked archive)`: looks at what TFDS reads itself."""


_IDX = Recipe(mnist.examples, mnist.members)
_CIFAR = Recipe(cifar.examples, cifar.members, cifar.check_names)

RECIPES = {
    "mnist": _IDX,
    "fashion_mnist": _IDX,
    "kmnist": _IDX,
    "emnist": _IDX,
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "svhn_cropped": Recipe(svhn.examples, svhn.members),
}
"""By TFDS's name."""
