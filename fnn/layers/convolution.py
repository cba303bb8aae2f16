"""Convolution and transposed convolution over 1, 2 or 3 spatial axes, channels last."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnn import expect, ops
from fnn.layer import Layer, Params, stateless
from fnn.layers import arguments
from fnn.layers.initializers import Initializer, parameters, resolve_initializer
from fnn.layers.linear import add_bias
from fnn.layers.window import PerAxis, Placed, Window, window


def Conv(
    features: int,
    kernel: PerAxis,
    *,
    strides: PerAxis = 1,
    padding: ops.Padding = "SAME",
    dilation: PerAxis = 1,
    groups: int = 1,
    bias: bool = True,
    kernel_init: Initializer = "lecun_normal",
    bias_init: Initializer = "zeros",
) -> Layer:
    """Convolution: slides `features` kernels over the spatial axes of `x`.

    Maps `(batch, *spatial, channels)` to `(batch, *places, features)` with 1, 2 or 3 spatial axes, whose number
    follows the input. Along each, `places = floor((size + low + high − extent) / stride) + 1` where `extent =
    (kernel − 1) · dilation + 1`. The kernel is not flipped: what the field calls convolution is cross-correlation.

    Args:
      features: how many kernels, and output channels.
      kernel: the kernel's size, an int or one for each spatial axis; so are `strides` and `dilation`.
      strides: steps between windows.
      padding: `"SAME"` (`places = ceil(size / stride)`), `"VALID"` (none), an int, or (low, high) pairs of zeros.
      dilation: steps between the pixels that a window reads.
      groups: splits channels and features into groups that do not see each other.
      bias: whether to add one number to each feature.
      kernel_init: initial `kernel`, `(*kernel, channels / groups, features)`; by default of variance 1 / fan_in
        (LeCun et al. 1998, "Efficient BackProp", section 4.6). Before a ReLU, `"he_normal"` keeps the scale.
      bias_init: initial `bias`, `(features,)`.

    Raises:
      ValueError: if an argument is out of range; when initialized or applied, if `x` has the wrong rank, its channels
        are no multiple of `groups`, or the kernel is larger than the padded input.
    """
    frame = window("Conv", kernel, "kernel", strides, padding, dilation)
    initializers = {"kernel": kernel_init, "bias": bias_init} if bias else {"kernel": kernel_init}
    return _convolution("conv", frame, frame.slide, ops.convolve, features, groups, initializers)


def ConvTranspose(
    features: int,
    kernel: PerAxis,
    *,
    strides: PerAxis = 1,
    padding: ops.Padding = "SAME",
    dilation: PerAxis = 1,
    groups: int = 1,
    bias: bool = True,
    kernel_init: Initializer = "lecun_normal",
    bias_init: Initializer = "zeros",
) -> Layer:
    """Transposed convolution: each input pixel spreads a kernel over the output, as in the gradient of `Conv`.

    Maps `(batch, *spatial, channels)` to `(batch, *places, features)`, `places = (size − 1) · stride + extent − low −
    high`. With `"SAME"`, `places = size · stride`; with `"VALID"`, nothing is cut.

    Args:
      features: how many output channels.
      kernel: the kernel's size, an int or one for each spatial axis; so are `strides` and `dilation`.
      strides: how far apart the windows of two neighbouring input pixels stand.
      padding: `"SAME"`, `"VALID"`, an int, or (low, high) pairs: how much of the output's border is cut. A negative
        number adds zeros: PyTorch's `padding=p, output_padding=o` is `((p, p - o), …)`.
      dilation: steps between the output pixels that one input pixel reaches.
      groups: splits channels and features into groups that do not see each other.
      bias: whether to add one number to each feature.
      kernel_init: initial `kernel`, `(*kernel, channels / groups, features)`, as `Conv`'s.
      bias_init: initial `bias`, `(features,)`.

    Raises:
      ValueError: if an argument is out of range; when initialized or applied, if `x` has the wrong rank, its channels
        are no multiple of `groups`, or the padding cuts all of the output.

    Reference: Zeiler et al. 2010, "Deconvolutional networks"; Dumoulin & Visin 2016, arXiv 1603.07285, section 4.
    """
    frame = window("ConvTranspose", kernel, "kernel", strides, padding, dilation, lowest=-np.inf)
    initializers = {"kernel": kernel_init, "bias": bias_init} if bias else {"kernel": kernel_init}

    def spread(sizes: tuple[int, ...]) -> Placed:
        placed = frame.place(sizes)
        if frame.padding == "SAME":
            # What Conv with the same arguments pads around an input of this output's size.
            lows = [max(extent - s, 0) // 2 for extent, s in zip(placed.extent, placed.strides, strict=True)]
            cut = [(low, extent - s - low) for low, extent, s in zip(lows, placed.extent, placed.strides, strict=True)]
            placed = placed._replace(padding=tuple(cut))
        for n, extent, s, (low, high) in zip(sizes, placed.extent, placed.strides, placed.padding, strict=True):
            if (n - 1) * s + extent - low - high < 1:
                raise ValueError(
                    f"ConvTranspose's padding {placed.padding} cuts all of the output that x of spatial shape "
                    f"{sizes} gives with kernel {placed.size} and strides {placed.strides}. Use less padding."
                )
        return placed

    return _convolution("conv_transpose", frame, spread, ops.convolve_transposed, features, groups, initializers)


def _convolution(
    name: str,
    frame: Window,
    place: Callable[[tuple[int, ...]], Placed],
    operation: Callable[..., jax.Array],
    features: int,
    groups: int,
    initializers: dict[str, Initializer],
) -> Layer:
    """Makes the layer that both share: parameters, checks, the operation and a bias."""
    layer = frame.layer
    features, groups = (
        arguments.positive(value, layer, argument) for value, argument in ((features, "features"), (groups, "groups"))
    )
    if features % groups:
        raise ValueError(f"{layer} cannot split {features} features into {groups} groups: not a multiple.")
    resolved = {entry: resolve_initializer(initializer, layer) for entry, initializer in initializers.items()}

    def shapes(x: Any) -> tuple[dict[str, tuple[int, ...]], Placed]:
        _, *sizes, channels = frame.check(x).shape
        if channels % groups:
            raise ValueError(f"{layer} cannot split the {channels} channels of x into {groups} groups: not a multiple.")
        placed = place(tuple(sizes))
        every = {"kernel": (*placed.size, channels // groups, features), "bias": (features,)}
        return {entry: every[entry] for entry in resolved}, placed

    def init(key: jax.Array, x: Any) -> Params:
        return parameters(key, resolved, shapes(x)[0])

    def apply(params: Params, x: Any) -> jax.Array:
        wanted, placed = shapes(x)
        kernel, *rest = expect.entries(params, layer, **wanted)
        x = jnp.asarray(x)
        y = operation(
            x,
            kernel.astype(x.dtype),
            strides=placed.strides,
            padding=placed.padding,
            dilation=placed.dilation,
            groups=groups,
        )
        return add_bias(y, *rest)

    return stateless(init, apply, name=name)
