"""fnn's networks with PyTorch's weights against torchvision's networks, written out in `torchvision_nets.py`.

Every test's name ends in torch, by which CI chooses them where PyTorch is installed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fnn
from fnn import models

torch = pytest.importorskip("torch")

import torchvision_nets as theirs  # noqa: E402 - it needs PyTorch


class Case(NamedTuple):
    """A network in both libraries, and the size of the images on which they are compared."""

    ours: fnn.Layer
    theirs: Callable[[], Any]
    size: int
    parameters: int = 0
    """torchvision's, where the network is whole."""
    names: dict[str, str] | None = None
    """From paths to modules, where they are not torchvision's."""


CLASSES = 10
QUICK = {
    "alexnet": Case(models.alexnet(CLASSES), lambda: theirs.alexnet(CLASSES, places=3), 127),
    "vgg11_bn": Case(
        models.vgg(11, CLASSES, batch_norm=True),
        lambda: theirs.vgg(theirs.VGG11, CLASSES, batch_norm=True, places=2),
        64,
    ),
    "resnet18": Case(models.resnet(18, CLASSES), lambda: theirs.ResNet(theirs.Basic, (2, 2, 2, 2), CLASSES), 63),
    "googlenet": Case(models.googlenet(CLASSES), lambda: theirs.GoogLeNet(CLASSES), 75),
}
WHOLE = {
    "alexnet": Case(models.alexnet(), theirs.alexnet, 224, 61_100_840),
    "vgg16": Case(models.vgg(16), lambda: theirs.vgg(theirs.VGG16, batch_norm=False), 224, 138_357_544),
    "vgg16_bn": Case(
        models.vgg(16, batch_norm=True), lambda: theirs.vgg(theirs.VGG16, batch_norm=True), 224, 138_365_992
    ),
    "resnet18": Case(models.resnet(18), lambda: theirs.ResNet(theirs.Basic, (2, 2, 2, 2)), 224, 11_689_512),
    "resnet34": Case(models.resnet(34), lambda: theirs.ResNet(theirs.Basic, (3, 4, 6, 3)), 64, 21_797_672),
    "resnet50": Case(models.resnet(50), lambda: theirs.ResNet(theirs.Bottleneck, (3, 4, 6, 3)), 224, 25_557_032),
    "resnet50, stride in 1x1": Case(
        models.resnet(50, stride_in="1x1"),
        lambda: theirs.ResNet(theirs.Bottleneck, (3, 4, 6, 3), stride_first=True),
        64,
        25_557_032,
    ),
    "resnet152": Case(models.resnet(152), lambda: theirs.ResNet(theirs.Bottleneck, (3, 8, 36, 3)), 64, 60_192_808),
    "googlenet": Case(models.googlenet(), theirs.GoogLeNet, 224, 6_624_904),
}
CASES = [pytest.param(case, id=f"{name}, small") for name, case in QUICK.items()] + [
    pytest.param(case, id=name, marks=pytest.mark.thorough) for name, case in WHOLE.items()
]


def images(size: int, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, size, size, 3), np.float32)


def channels_first(x: np.ndarray) -> Any:
    return torch.tensor(np.moveaxis(x, -1, 1).copy())


@pytest.mark.parametrize("case", CASES)
def test_the_logits_in_evaluation_equal_those_of_torch(case: Case) -> None:
    module = theirs.randomized(case.theirs()).eval()
    x = images(case.size)
    params, state = fnn.interop.torch.load(case.ours, module.state_dict(), x=x)
    if case.parameters:
        assert sum(leaf.size for leaf in jax.tree.leaves(params)) == case.parameters
    with torch.no_grad():
        wanted = module(channels_first(x)).numpy()
    got = jax.jit(lambda *of: case.ours.apply(*of, train=False)[0])(params, state, x)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * np.max(np.abs(wanted)))
    assert np.std(wanted[0] - wanted[1]) > 1e-3 * np.std(wanted)  # the images still tell in the logits


def tiny() -> Any:
    """What all of them are made of, in a network that compiles at once: overlapping pools, BatchNorm, a flattening."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(4, 5, 3, 1, 1), nn.BatchNorm2d(5, eps=1e-3), nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, ceil_mode=True), nn.Flatten(), nn.Linear(20, CLASSES),
    )  # fmt: skip


TINY = fnn.serial(
    conv1=fnn.Conv(4, 3, strides=2, padding=1, bias=False), norm1=fnn.BatchNorm(), act1=fnn.Relu,
    pool1=fnn.MaxPool(3, strides=2, padding=1),
    conv2=fnn.Conv(5, 3, padding=1), norm2=fnn.BatchNorm(epsilon=1e-3), act2=fnn.Relu,
    pool2=fnn.MaxPool(3, strides=2, padding=((0, 1), (0, 1))), flat=fnn.Flatten, head=fnn.Dense(CLASSES),
)  # fmt: skip
TRAINED = {
    "tiny": Case(TINY, tiny, 15, names={"conv1": "0", "norm1": "1", "conv2": "4", "norm2": "5", "head": "9"}),
    "resnet18": QUICK["resnet18"]._replace(size=32),
    "vgg11_bn": Case(
        models.vgg(11, CLASSES, batch_norm=True, dropout=0.0),
        lambda: theirs.vgg(theirs.VGG11, CLASSES, batch_norm=True, places=1, dropout=0.0),
        32,
    ),
}
LONG = {name: [] if name == "tiny" else [pytest.mark.thorough] for name in TRAINED}


@pytest.mark.parametrize("case", [pytest.param(case, id=name, marks=LONG[name]) for name, case in TRAINED.items()])
def test_gradients_and_running_moments_in_training_equal_those_of_torch(case: Case) -> None:
    """In float64, where a ReLU that falls on the other side by a rounding cannot blur what is compared."""
    module = theirs.randomized(case.theirs()).double().train()
    x, labels = images(case.size, 8).astype(np.float64), np.arange(8) % CLASSES
    with jax.enable_x64(True):
        params, state = fnn.interop.torch.load(case.ours, module.state_dict(), x=x, names=case.names)
        params, state = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (params, state))
        module.load_state_dict(
            tensors(fnn.interop.torch.export(case.ours, params, state, x=x, names=case.names)), strict=False
        )

        def loss(params: Any, state: Any) -> Any:
            logits, state = case.ours.apply(params, state, x, train=True, key=jax.random.key(0))
            return jnp.mean(fnn.losses.softmax_cross_entropy(logits, jnp.asarray(labels))), (logits, state)

        (_, (logits, state)), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params, state)
        written = fnn.interop.torch.export(case.ours, gradient, state, x=x, names=case.names)
    outputs = module(channels_first(x))
    torch.nn.functional.cross_entropy(outputs, torch.tensor(labels)).backward()
    np.testing.assert_allclose(logits, outputs.detach().numpy(), rtol=1e-8, atol=1e-8)
    wanted: Any = {name: parameter.grad.numpy() for name, parameter in module.named_parameters()}  # pyright: ignore[reportOptionalMemberAccess]
    wanted |= {name: buffer.numpy() for name, buffer in module.named_buffers() if "running" in name}
    assert set(written) == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_allclose(
            written[name], array, rtol=0, atol=1e-8 * np.max(np.abs(array)) + 1e-12, err_msg=name
        )


def tensors(arrays: Any) -> Any:
    return {name: torch.tensor(array) for name, array in arrays.items()}


@pytest.mark.parametrize(
    "name",
    ["alexnet", "resnet18", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("vgg11_bn", "googlenet"))],
)
def test_what_is_loaded_can_be_written_back_for_torch(name: str) -> None:
    case = QUICK[name]
    module = theirs.randomized(case.theirs())
    weights = {key: value.numpy() for key, value in module.state_dict().items()}
    x = jax.ShapeDtypeStruct((1, case.size, case.size, 3), jnp.float32)
    written = fnn.interop.torch.export(case.ours, *fnn.interop.torch.load(case.ours, weights, x=x), x=x)
    assert set(written) == {key for key in weights if "num_batches_tracked" not in key}
    for key, array in written.items():
        np.testing.assert_array_equal(array, weights[key], key)
    case.theirs().load_state_dict(tensors(written))  # strictly


# Where two networks begin to differ.


@pytest.fixture(scope="module")
def pair() -> Any:
    """A small network in both libraries, with an activation that works in place."""
    nn = torch.nn
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4),
        nn.Flatten(), nn.Linear(4 * 25, 2),
    )  # fmt: skip
    net = fnn.serial(
        conv1=fnn.Conv(4, 3), act=fnn.Relu, conv2=fnn.Conv(4, 3), norm=fnn.BatchNorm(), flat=fnn.Flatten,
        head=fnn.Dense(2),
    )  # fmt: skip
    return net, theirs.randomized(module), {"conv1": "0", "conv2": "2", "norm": "3", "head": "5"}


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
    ("module", "layer"), [(None, None), ("0", "conv1"), ("2", "conv2"), ("3", "norm"), ("5", "head")]
)
def test_the_first_layer_that_differs_is_named_beside_torch(pair: Any, module: Any, layer: Any, train: bool) -> None:
    net, torch_net, names = pair
    x = images(5)
    params, state = fnn.interop.torch.load(net, torch_net.state_dict(), x=x, names=names)
    if layer:
        params = params | {layer: jax.tree.map(lambda leaf: 1.01 * leaf, params[layer])}
    before = {name: tensor.clone() for name, tensor in torch_net.state_dict().items()}
    found = fnn.interop.torch.first_difference(net, params, state, torch_net, x, train=train, names=names)
    assert (found and (found.path, found.module)) == (layer and (layer, module))
    assert found is None or 1e-3 < found.error < 1e-1
    for name, tensor in torch_net.state_dict().items():
        assert torch.equal(tensor, before[name]), f"{name} was changed"


def test_other_shapes_are_a_difference_beside_torch(pair: Any) -> None:
    _, torch_net, names = pair
    other = fnn.serial(
        conv1=fnn.Conv(4, 3, strides=2), act=fnn.Relu, conv2=fnn.Conv(4, 3, strides=2), norm=fnn.BatchNorm(),
        flat=fnn.Flatten, head=fnn.Dense(2),
    )  # fmt: skip
    x = images(5)
    params, state = jax.jit(other.init)(jax.random.key(0), x)
    found = fnn.interop.torch.first_difference(other, params, state, torch_net, x, names=names)
    assert found is not None
    assert (found.path, found.error, found.shapes) == ("conv1", np.inf, ((2, 3, 3, 4), (2, 5, 5, 4)))


def test_a_module_without_the_parts_is_refused_beside_torch(pair: Any) -> None:
    net, torch_net, names = pair
    x = images(5)
    params, state = fnn.interop.torch.load(net, torch_net.state_dict(), x=x, names=names)
    with pytest.raises(ValueError, match=r"no parts called \['stem'\]; it has \['0', '1'"):
        fnn.interop.torch.first_difference(net, params, state, torch_net, x, names=names | {"conv1": "stem"})


# PyTorch's own files.


def test_a_pth_file_is_read_as_weights_alone_by_torch(pair: Any, tmp_path: Any) -> None:
    net, torch_net, names = pair
    x = images(5)
    wanted = fnn.interop.torch.load(net, torch_net.state_dict(), x=x, names=names)
    torch.save(torch_net.state_dict(), tmp_path / "weights.pth")
    jax.tree.map(
        np.testing.assert_array_equal,
        fnn.interop.torch.load(net, tmp_path / "weights.pth", x=x, names=names),
        wanted,
    )
    torch.save(torch_net, tmp_path / "module.pth")
    with pytest.raises(ValueError, match="no file of weights alone"):
        fnn.interop.torch.load(net, tmp_path / "module.pth", x=x, names=names)
    torch.save({"epoch": 3, "model": torch_net.state_dict()}, tmp_path / "checkpoint.pth")
    with pytest.raises(ValueError, match=r"\['epoch', 'model'\] are none"):
        fnn.interop.torch.load(net, tmp_path / "checkpoint.pth", x=x, names=names)


def test_half_precision_becomes_float32_from_torch(pair: Any) -> None:
    net, torch_net, names = pair
    half = {name: tensor.bfloat16() if tensor.is_floating_point() else tensor
            for name, tensor in torch_net.state_dict().items()}  # fmt: skip
    params, _ = fnn.interop.torch.load(net, half, x=images(5), names=names)
    assert params["head"]["kernel"].dtype == jnp.float32
    np.testing.assert_array_equal(params["conv1"]["bias"], half["0.bias"].float().numpy())
