"""The geometry of computing several neighbouring outputs at once, as if they were features."""

from fnn.ops.geometry import Geometry

ENOUGH_FEATURES = 17
"""Where channels or features are this many, XLA has a fast convolution; where both are fewer, one that is slower."""


def neighbours(geometry: Geometry, features: int) -> int:
    """Returns how many neighbours along the last axis make enough features, evenly spread over the tiles."""
    places = geometry.places[-1]
    tiles = -(-places // -(-ENOUGH_FEATURES // features))
    return -(-places // tiles)


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
