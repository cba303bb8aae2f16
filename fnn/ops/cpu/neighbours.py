"""The geometry of computing several neighbouring outputs at once, as if they were features."""

from fnn.ops.geometry import Geometry

ENOUGH_FEATURES = 17
"""Where channels or features are this many, XLA has a fast convolution; where both are fewer, one that is slower."""
_MANY_FEATURES = 33
"""With fewer features than this, XLA is up to 8 times slower where the channels are odd, such as the 3 of colours."""


def missing_channels(channels: int, features: int) -> int:
    """Returns how many channels of zeros, one or none, XLA needs to be fast."""
    return channels % 2 if channels > 1 and features < _MANY_FEATURES else 0


def neighbours(geometry: Geometry, features: int) -> int:
    """Returns how many neighbours along the last axis a convolution computes at once: so many as make enough features.

    XLA's convolution takes features 8 at a time.
    """
    return _fewest_products(geometry, features, least=-(-ENOUGH_FEATURES // features), lanes=8)


def neighbours_of_gradient(geometry: Geometry, features: int) -> int:
    """Returns how many neighbours a kernel's gradient sums at once, 1 where the features are no fewer than the lanes.

    A kernel is small, so that XLA takes 16 of its features at a time.
    """
    return _fewest_products(geometry, features, least=1, lanes=16)


def _fewest_products(geometry: Geometry, features: int, least: int, lanes: int) -> int:
    """Returns the number of neighbours, of those from `least` on, with the fewest products, idle lanes included."""
    places, stride, window = geometry.places[-1], geometry.strides[-1], geometry.window[-1]

    def products(outputs: int) -> int:
        filled = -(-outputs * features // lanes) * lanes
        return filled * (window + (outputs - 1) * stride) * -(-places // outputs)

    most = max(1, places)
    return min(range(min(least, most), most + 1), key=products)


def widen_geometry(geometry: Geometry, outputs: int) -> Geometry:
    """Returns the convolution whose window covers those of `outputs` neighbours."""
    stride, places = geometry.strides[-1], geometry.places[-1]
    window = geometry.window[-1] + (outputs - 1) * stride
    tiles = -(-places // outputs)
    low, _ = geometry.padding[-1]
    high = (tiles * outputs - 1) * stride + geometry.window[-1] - low - geometry.sizes[-1]
    return geometry._replace(
        window=(*geometry.window[:-1], window),
        strides=(*geometry.strides[:-1], outputs * stride),
        padding=(*geometry.padding[:-1], (low, high)),
    )
