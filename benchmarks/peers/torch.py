"""PyTorch, eager, in its default layout: contiguous `(batch, channels, height, width)`.

`channels_last` is not tried: it is an option that its users must ask for, and helps mostly on accelerators.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
from torch import nn

from benchmarks.nets import BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, MaxPool, Relu, Residual
from benchmarks.peers.interface import Peer, Running, Task
from benchmarks.weights import Placed, channels_first, channels_first_kernel

_ENTRY = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


class _Residual(nn.Module):
    def __init__(self, main: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.main(x) + self.shortcut(x)


def _module(placed: Placed, load: bool) -> nn.Module:
    """Makes a module, with the task's weights or with random ones."""
    channels = placed.inputs[-1] if placed.inputs else 0
    match placed.layer:
        case Conv(features, kernel, strides, padding, bias):
            module = nn.Conv2d(channels, features, kernel, strides, padding, bias=bias)
        case Dense(features):
            module = nn.Linear(channels, features)
        case BatchNorm():
            module = nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)  # the share of the new moment
        case Relu():
            return nn.ReLU(inplace=True)
        case MaxPool(window, strides, padding):
            return nn.MaxPool2d(window, strides, padding)
        case GlobalAvgPool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case Flatten():
            return nn.Flatten()
        case Residual():
            return _Residual(*(_module(part, load) for part in placed.parts))
        case _:
            return nn.Sequential(*(_module(part, load) for part in placed.parts))
    if load:
        own = {_ENTRY[name]: array for name, array in placed.weights.items() if name != "kernel"}
        if "kernel" in placed.weights:
            own["weight"] = channels_first_kernel(placed)
        tensors = {name: torch.tensor(array) for name, array in own.items()}
        missing, unexpected = module.load_state_dict(tensors, strict=False)
        if unexpected or set(missing) - {"num_batches_tracked"}:
            raise ValueError(f"{placed.name} and {type(module).__name__} differ in {[*missing, *unexpected]}.")
    return module


def device() -> torch.device:
    """Returns PyTorch's name for the device that JAX uses, where it shall compute in real float32."""
    backend = jax.default_backend()
    if backend == "gpu" and not torch.cuda.is_available():
        raise RuntimeError("this PyTorch sees no GPU")
    if backend not in ("cpu", "gpu"):
        raise RuntimeError(f"PyTorch has no {backend}")
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # pyright: ignore[reportAttributeAccessIssue]
    return torch.device("cuda" if backend == "gpu" else "cpu")


def wait(place: torch.device) -> None:
    """Waits until the device has done what it was given."""
    if place.type == "cuda":
        torch.cuda.synchronize(place)


def build(task: Task, compiled: Callable[[nn.Module], Any] = lambda net: net) -> Running:
    """Builds `nn.Sequential`s, and an ordinary training loop's step.

    Args:
      task: what is computed.
      compiled: what is done to the network before it is called.
    """
    place = device()
    images = torch.tensor(channels_first(task.images) if task.images.ndim == 4 else task.images, device=place)
    labels = torch.tensor(task.labels.astype(np.int64), device=place)

    def start() -> tuple[Any, torch.optim.Optimizer]:
        net = _module(task.net, load=True).to(place)
        return compiled(net), torch.optim.SGD(net.parameters(), lr=task.learning_rate, momentum=task.momentum)

    net, optimizer = start()

    def step() -> torch.Tensor:
        if not net.training:
            net.train()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        wait(place)
        return loss.detach()

    @torch.inference_mode()
    def infer() -> torch.Tensor:
        if net.training:
            net.eval()
        logits = net(images)
        wait(place)
        return logits

    def init() -> None:
        _module(task.net, load=False).to(place)
        wait(place)

    def forget() -> None:
        nonlocal net, optimizer
        net, optimizer = start()
        wait(place)

    return Running(step, infer, init, forget)


PEER = Peer("PyTorch", build, "torch")
