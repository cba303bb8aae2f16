"""Every kind of layer in float64 PyTorch, in its own layers' terms where it has them."""

import math
from collections.abc import Mapping
from typing import Any

from tests.fuzz.demands import Array, Placed, require
from tests.layers import oracles


def in_torch(
    kind: str, options: dict[str, Any], params: Mapping[str, Any], state: Mapping[str, Any], x: Array, train: bool
) -> Array:
    """A leaf in PyTorch, in its own layers' terms where it has them."""
    torch = oracles.torch_or_skip()
    f = torch.nn.functional
    axes = x.ndim - 2

    def first(x: Array) -> Array:
        return x.movedim(-1, 1)

    def kernel_first(kernel: Array) -> Array:
        return kernel.movedim((-1, -2), (0, 1))

    scale, bias = params.get("scale"), params.get("bias")
    match kind:
        case "dense":
            return f.linear(x, params["kernel"].T, bias)
        case "maxout":
            y = f.linear(x, params["kernel"].T, bias)
            return y.reshape(*x.shape[:-1], options["pieces"], options["features"]).amax(-2)
        case "radial_basis":
            apart = (x[..., None, :] - params["centers"]) / options["sigma"]
            return torch.exp(-apart.square().sum(-1))
        case "conv":
            at = Placed(kind, options, tuple(x.shape))
            padded = oracles.torch_pad(first(x), at.padding)
            convolve = (f.conv1d, f.conv2d, f.conv3d)[axes - 1]
            y = convolve(padded, kernel_first(params["kernel"]), bias, at.strides, 0, at.dilation, options["groups"])
            return y.movedim(1, -1)
        case "conv_transpose":
            at = Placed(kind, options, tuple(x.shape))
            groups = options["groups"]
            kernel = params[
                "kernel"
            ]  # (*window, channels / groups, features) -> (channels, features / groups, *window)
            kernel = torch.cat(kernel.split(options["features"] // groups, -1), -2).movedim((-2, -1), (0, 1))
            convolve = (f.conv_transpose1d, f.conv_transpose2d, f.conv_transpose3d)[axes - 1]
            y = convolve(first(x), kernel, None, at.strides, 0, 0, groups, at.dilation)
            y = oracles.torch_pad(y, tuple((-low, -high) for low, high in at.padding)).movedim(1, -1)
            return y if bias is None else y + bias
        case "max_pool" | "avg_pool" | "sum_pool":
            return torch_pool(kind, options, x)
        case "batch_norm":
            running = (None, None) if train else (state["mean"], state["var"])
            return f.batch_norm(first(x), *running, scale, bias, train).movedim(1, -1)
        case "layer_norm":
            return f.layer_norm(x, x.shape[-1:], scale, bias)
        case "group_norm":
            if scale is None and bias is not None:
                scale = torch.ones_like(bias)  # PyTorch 2.13 fails to differentiate it with a bias alone
            return f.group_norm(first(x), options["groups"], scale, bias).movedim(1, -1)
        case "subsample":
            return x[(slice(None), *(slice(None, None, options["stride"]),) * axes)]
        case "global_avg_pool":
            return x.mean(tuple(range(1, x.ndim - 1)))
        case "flatten":
            return x.reshape(len(x), -1)
        case "dropout":
            require(not (train and options["rate"]))
            return x
    own = {
        "hard_tanh": f.hardtanh,
        "softmax": lambda x: f.softmax(x, -1),
        "log_softmax": lambda x: f.log_softmax(x, -1),
    }
    slope = {"leaky_relu": lambda x: f.leaky_relu(x, 0.1), "identity": lambda x: x}
    return ({**own, **slope}.get(kind) or getattr(f, kind))(x)


def torch_pool(kind: str, options: dict[str, Any], x: Array) -> Array:
    """Pools by PyTorch's own functions over what is padded beforehand; what padding adds is taken out of averages."""
    torch = oracles.torch_or_skip()
    f = torch.nn.functional
    at = Placed(kind, options, tuple(x.shape))
    axes = x.ndim - 2
    image = x.movedim(-1, 1)
    if kind == "max_pool":
        largest = (f.max_pool1d, f.max_pool2d, f.max_pool3d)[axes - 1]
        return largest(oracles.torch_pad(image, at.padding, -math.inf), at.size, at.strides).movedim(1, -1)
    average = (f.avg_pool1d, f.avg_pool2d, f.avg_pool3d)[axes - 1]
    mean = average(oracles.torch_pad(image, at.padding), at.size, at.strides)
    if kind == "sum_pool":
        mean = mean * math.prod(at.size)
    elif not options["count_padding"]:
        mean = mean / average(oracles.torch_pad(torch.ones_like(image), at.padding), at.size, at.strides)
    return mean.movedim(1, -1)
