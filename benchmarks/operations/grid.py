"""Which operations are measured at which shapes, and the operands that every peer is given."""

from typing import NamedTuple

import numpy as np


class Convolution(NamedTuple):
    """A convolution of square images with square kernels, padded by `(kernel − 1) / 2` on each side."""

    batch: int
    size: int
    channels: int
    features: int
    kernel: int
    strides: int = 1
    groups: int = 1

    @property
    def padding(self) -> int:
        """Zeros on each side."""
        return (self.kernel - 1) // 2


class Looped(NamedTuple):
    """A convolution whose weight gradient is computed ten times in a row, inside and outside of `lax.scan`."""

    convolution: Convolution


class Pool(NamedTuple):
    """A pool with square windows; `kind` is `"max"` or `"average"`."""

    kind: str
    batch: int
    size: int
    channels: int
    window: int
    strides: int
    padding: int = 0


class BatchNormalization(NamedTuple):
    """Batch normalization in training."""

    batch: int
    size: int
    channels: int


Operation = Convolution | Looped | Pool | BatchNormalization

LOOPS = 10
IN_SCAN, IN_LOOP = f"weight_gradient_{LOOPS}_in_scan", f"weight_gradient_{LOOPS}_in_loop"


class Operands(NamedTuple):
    """NumPy arrays in channels-last layout."""

    inputs: tuple[np.ndarray, ...]
    """`(x, kernel)` of a convolution, `(x,)` of a pool, `(x, scale, bias)` of a normalization."""
    cotangent: np.ndarray
    """What comes back from above: as large as the output."""


def cases_of(operation: Operation) -> tuple[str, ...]:
    """Lists what is measured of an operation.

    A gradient of a convolution needs nothing of the forward pass and stands alone; the other gradients need it.
    """
    match operation:
        case Convolution():
            return "forward", "input_gradient", "weight_gradient"
        case Looped():
            return IN_SCAN, IN_LOOP
        case _:
            return "forward", "forward_and_gradient"


def name_of(operation: Operation) -> str:
    """Returns a name such as `"conv3x3_64to128_at32_batch64_stride2"`."""
    match operation:
        case Convolution(batch, size, channels, features, kernel, strides, groups):
            name = f"conv{kernel}x{kernel}_{channels}to{features}_at{size}_batch{batch}"
            return name + (f"_stride{strides}" if strides > 1 else "") + (f"_groups{groups}" if groups > 1 else "")
        case Looped(convolution):
            return f"looped_{name_of(convolution)}"
        case Pool(kind, batch, size, channels, window, strides):
            return f"{kind}_pool{window}x{window}_{channels}_at{size}_batch{batch}_stride{strides}"
        case BatchNormalization(batch, size, channels):
            return f"batch_norm_{channels}_at{size}_batch{batch}"


def make_operands(operation: Operation, seed: int = 0) -> Operands:
    """Makes normal operands for an operation."""
    generator = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape, np.float32)

    match operation:
        case Looped(convolution):
            return make_operands(convolution, seed)
        case Convolution(batch, size, channels, features, kernel, strides, groups):
            places = (size + 2 * operation.padding - kernel) // strides + 1
            inputs = normal(batch, size, size, channels), normal(kernel, kernel, channels // groups, features)
        case Pool(_, batch, size, channels, window, strides, padding):
            places, features = (size + 2 * padding - window) // strides + 1, channels
            inputs = (normal(batch, size, size, channels),)
        case BatchNormalization(batch, size, channels):
            places, features = size, channels
            inputs = normal(batch, size, size, channels), 1 + 0.1 * normal(channels), 0.1 * normal(channels)
    return Operands(inputs, normal(batch, places, places, features))


_CONVOLUTIONS = (
    Convolution(64, 32, 64, 64, 3),  # the CNN's, VGG's and ResNet's, from large images to small ones
    Convolution(64, 16, 128, 128, 3),
    Convolution(32, 8, 256, 256, 3),
    Convolution(32, 4, 512, 512, 3),
    Convolution(32, 2, 512, 512, 3),
    Convolution(32, 32, 3, 64, 3),  # stems
    Convolution(8, 224, 3, 64, 7, strides=2),
    Convolution(128, 28, 1, 6, 5),  # LeNet-5's
    Convolution(128, 14, 6, 16, 5),
    Convolution(32, 32, 64, 128, 3, strides=2),  # where stages of a ResNet begin
    Convolution(32, 32, 64, 128, 1, strides=2),
    Convolution(64, 32, 64, 64, 1),  # bottlenecks
    Convolution(8, 56, 64, 256, 1),
    Convolution(8, 14, 1024, 256, 1),
    Convolution(8, 14, 256, 256, 3),
    Convolution(1, 56, 64, 64, 3),  # one image
    Convolution(32, 16, 128, 128, 3, groups=4),
    Convolution(32, 16, 128, 128, 3, groups=128),
)

_OTHERS = (
    Looped(Convolution(8, 16, 32, 32, 3)),
    Pool("max", 32, 32, 64, 2, 2),
    Pool("max", 8, 112, 64, 3, 2, padding=1),
    Pool("max", 32, 32, 64, 3, 1, padding=1),
    Pool("average", 32, 32, 64, 2, 2),
    Pool("average", 32, 8, 512, 8, 8),
    BatchNormalization(32, 32, 64),
    BatchNormalization(32, 8, 256),
    BatchNormalization(8, 56, 256),
)

OPERATIONS: dict[str, Operation] = {name_of(operation): operation for operation in (*_CONVOLUTIONS, *_OTHERS)}
