"""The numerics under the layers: convolution, pooling, moments. Functions of arrays that know no layers."""

from fnn.ops.batch_norm import batch_norm
from fnn.ops.channels import channel_broadcast, channel_sum
from fnn.ops.convolution import convolve, convolve_transposed
from fnn.ops.exactness import exact
from fnn.ops.moments import moments, widen
from fnn.ops.pooling import max_pool, sum_pool
from fnn.ops.product import product
from fnn.ops.program import explicit_layout
from fnn.ops.window import Padding, explicit_padding

__all__ = [
    "Padding",
    "batch_norm",
    "channel_broadcast",
    "channel_sum",
    "convolve",
    "convolve_transposed",
    "exact",
    "explicit_layout",
    "explicit_padding",
    "max_pool",
    "moments",
    "product",
    "sum_pool",
    "widen",
]
