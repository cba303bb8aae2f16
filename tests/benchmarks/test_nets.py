"""The networks' descriptions against sums by hand, and the weights that are placed on them."""

import numpy as np
import pytest

from benchmarks.nets import NETS, BatchNorm, Conv, Dense, Flatten, MaxPool, Relu, Residual
from benchmarks.weights import channels_first, channels_first_kernel, count_parameters, leaves, place

CONV3 = [(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512), (512, 512), (512, 512)]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mlp", 784 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10),
        # conv 5·5·1·6 + 6, conv 5·5·6·16 + 16, dense 7·7·16·120 + 120, 120·84 + 84, 84·10 + 10
        ("lenet5", 156 + 2416 + 94200 + 10164 + 850),
        ("cnn", 1792 + 36928 + 73856 + 147584 + 295168 + 2570),
        ("vgg11", sum(9 * channels * features + 2 * features for channels, features in CONV3) + 5130),
        ("resnet18", 11_173_962),  # as counted by others for CIFAR-10: github.com/kuangliu/pytorch-cifar
        ("resnet50", 25_557_032),  # torchvision's
    ],
)
def test_parameters_are_counted_as_by_hand(name: str, parameters: int) -> None:
    net = NETS[name]
    placed = place(net.layers, net.shape)
    assert count_parameters(placed) == parameters
    assert placed.outputs == (net.classes,)


def test_weights_are_he_normal_and_away_from_the_usual_initial_values() -> None:
    placed = place((Conv(64, 3, padding=1), BatchNorm(), Relu(), Flatten(), Dense(50)), (8, 8, 32))
    conv, norm, dense = leaves(placed)
    assert [leaf.name for leaf in (conv, norm, dense)] == ["conv1", "batchnorm1", "dense1"]
    assert conv.weights["kernel"].shape == (3, 3, 32, 64)
    assert conv.weights["kernel"].std() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.05)
    assert dense.weights["kernel"].std() == pytest.approx((2 / (8 * 8 * 64)) ** 0.5, rel=0.05)
    assert dense.flattened == (8, 8, 64)
    assert all(array.dtype == np.float32 for leaf in (conv, norm, dense) for array in leaf.weights.values())
    for name, usual in (("scale", 1), ("bias", 0), ("mean", 0), ("var", 1)):
        assert 0.05 < np.abs(norm.weights[name] - usual).mean() < 0.15


def test_weights_depend_on_the_seed_alone() -> None:
    net = NETS["lenet5"]
    first, again, other = (leaves(place(net.layers, net.shape, seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(a.weights["kernel"], b.weights["kernel"]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].weights["kernel"], other[0].weights["kernel"])


def test_the_last_scale_of_a_residual_path_is_small() -> None:
    main = (Conv(4, 3, padding=1, bias=False), BatchNorm(), Relu(), Conv(4, 3, padding=1, bias=False), BatchNorm())
    scales = [
        leaf.weights["scale"].mean() for leaf in leaves(place(Residual(main), (4, 4, 4))) if "scale" in leaf.weights
    ]
    assert scales == pytest.approx([1, 0.2], rel=0.2)


def test_a_dense_kernel_after_a_flatten_follows_the_channels() -> None:
    placed = place((MaxPool(2, 2), Flatten(), Dense(5)), (6, 4, 3))
    (dense,) = leaves(placed)
    images = np.random.default_rng(0).standard_normal((2, 3, 2, 3)).astype(np.float32)  # after the pool
    wanted = images.reshape(2, -1) @ dense.weights["kernel"]
    got = channels_first(images).reshape(2, -1) @ channels_first_kernel(dense).T
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
