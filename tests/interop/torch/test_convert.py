"""Weights from PyTorch without PyTorch: names, order of axes, and every fault listed."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

import fnn
from fnn import models
from fnn.interop.torch import export, load, torchvision_names

NET = fnn.serial(conv=fnn.Conv(2, (1, 3)), norm=fnn.BatchNorm(), flat=fnn.Flatten, head=fnn.Dense(5))
NAMES = {"conv": "stem.0", "norm": "stem.1", "head": "fc"}
X = jax.ShapeDtypeStruct((1, 3, 4, 6), jnp.float32)


def weights() -> dict[str, np.ndarray]:
    shapes = {
        "stem.0.weight": (2, 6, 1, 3), "stem.0.bias": (2,), "stem.1.weight": (2,), "stem.1.bias": (2,),
        "stem.1.running_mean": (2,), "stem.1.running_var": (2,), "fc.weight": (5, 24), "fc.bias": (5,),
    }  # fmt: skip
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    return arrays | {"stem.1.num_batches_tracked": np.array(7)}


def test_each_array_comes_to_its_place_in_its_order() -> None:
    arrays = weights()
    params, state = load(NET, arrays, x=X, names=NAMES)
    assert params["conv"]["kernel"].shape == (1, 3, 6, 2)
    for window, channel, feature in ((0, 0, 0), (2, 5, 1), (1, 3, 0)):
        assert (
            params["conv"]["kernel"][0, window, channel, feature]
            == arrays["stem.0.weight"][feature, channel, 0, window]
        )
    for name, key in (("scale", "weight"), ("bias", "bias")):
        np.testing.assert_array_equal(params["norm"][name], arrays[f"stem.1.{key}"])
    np.testing.assert_array_equal(state["norm"]["mean"], arrays["stem.1.running_mean"])
    np.testing.assert_array_equal(state["norm"]["var"], arrays["stem.1.running_var"])
    # fnn flattens (height, width, channels), PyTorch (channels, height, width), of 3×4 images of 2 channels.
    by_place = np.asarray(params["head"]["kernel"]).reshape(3, 4, 2, 5)
    theirs = arrays["fc.weight"].reshape(5, 2, 3, 4)
    np.testing.assert_array_equal(by_place, theirs.transpose(2, 3, 1, 0))
    assert jax.tree.structure((params, state)) == jax.tree.structure(jax.eval_shape(NET.init, jax.random.key(0), X))


def test_what_is_written_back_is_what_was_read() -> None:
    arrays = weights()
    written = export(NET, *load(NET, arrays, x=X, names=NAMES), x=X, names=NAMES)
    del arrays["stem.1.num_batches_tracked"]
    assert set(written) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(written[name], array)
        assert written[name].flags.c_contiguous


def test_only_the_dense_layer_behind_a_flattening_is_reordered() -> None:
    """The second dense layer is square and as wide as the first one's input."""
    net = fnn.serial(flat=fnn.Flatten, drop=fnn.Dropout(), dense1=fnn.Dense(12), act=fnn.Relu, dense2=fnn.Dense(12))
    names = {"dense1": "a", "dense2": "b"}
    rng = np.random.default_rng(0)
    arrays = {f"{name}.{key}": rng.standard_normal(shape, np.float32)
              for name in "ab" for key, shape in (("weight", (12, 12)), ("bias", (12,)))}  # fmt: skip
    params, _ = load(net, arrays, x=jax.ShapeDtypeStruct((1, 2, 2, 3), jnp.float32), names=names)
    np.testing.assert_array_equal(params["dense2"]["kernel"], arrays["b.weight"].T)
    wanted = arrays["a.weight"].reshape(12, 3, 2, 2).transpose(2, 3, 1, 0).reshape(12, 12)
    np.testing.assert_array_equal(params["dense1"]["kernel"], wanted)


def test_a_safetensors_file_is_as_good_as_a_mapping(tmp_path: Path) -> None:
    save_file(weights(), tmp_path / "weights.safetensors")
    got = load(NET, tmp_path / "weights.safetensors", x=X, names=NAMES)
    jax.tree.map(np.testing.assert_array_equal, got, load(NET, weights(), x=X, names=NAMES))
    jax.tree.map(np.testing.assert_array_equal, load(NET, str(tmp_path / "weights.safetensors"), x=X, names=NAMES), got)


def test_half_precision_becomes_float32() -> None:
    half = {name: array.astype(np.float16) for name, array in weights().items()}
    params, state = load(NET, half, x=X, names=NAMES)
    assert {leaf.dtype for leaf in jax.tree.leaves((params, state))} == {jnp.dtype(jnp.float32)}


def test_every_fault_is_listed() -> None:
    arrays = weights()
    del arrays["stem.0.bias"]
    del arrays["stem.1.running_var"]
    arrays["aux.fc.weight"] = np.zeros((3, 2))
    arrays["fc.num_batches_tracked"] = np.zeros(())
    arrays["fc.weight"] = np.zeros((7, 24), np.float32)
    with pytest.raises(ValueError, match="not this network's") as caught:
        load(NET, arrays, x=X, names=NAMES)
    for fault in (
        "missing stem.0.bias (2,); missing stem.1.running_var (2,)",
        "left over aux.fc.weight (3, 2); left over fc.num_batches_tracked ()",
        "fc.weight of shape (7, 24) for (5, 24)",
    ):
        assert fault in str(caught.value)


def test_a_kernel_of_as_many_numbers_in_another_order_is_refused() -> None:
    arrays = weights()
    arrays["stem.0.weight"] = arrays["stem.0.weight"].transpose(2, 3, 1, 0)
    with pytest.raises(ValueError, match=r"stem.0.weight of shape \(1, 3, 6, 2\) for \(2, 6, 1, 3\)"):
        load(NET, arrays, x=X, names=NAMES)


def test_what_is_skipped_is_not_left_over() -> None:
    extra = {f"aux{i}.fc.weight": np.zeros(3) for i in (1, 2)}
    load(NET, weights() | extra, x=X, names=NAMES, skip=["aux*"])
    with pytest.raises(ValueError, match="left over aux2"):
        load(NET, weights() | extra, x=X, names=NAMES, skip=["aux1*"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"conv": "stem.0", "norm": "stem.1"}, r"missing are \['head'\], unknown \[\]"),
        (NAMES | {"tail": "fc2"}, r"missing are \[\], unknown \['tail'\]"),
        (None, "torchvision has no network of the layers conv, head, norm"),
    ],
)
def test_names_must_be_those_of_the_layers(names: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load(NET, weights(), x=X, names=names)


def test_a_layer_that_torch_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no counterpart among PyTorch's modules: \['rbf/centers'\]"):
        load(fnn.serial(rbf=fnn.RadialBasis(2)), {}, x=X, names={"rbf": "rbf"})


def test_parameters_of_another_network_are_not_written() -> None:
    params, state = load(NET, weights(), x=X, names=NAMES)
    changed = params | {"head": {"kernel": jnp.zeros((3, 5))}, "tail": {"bias": jnp.zeros(1)}}
    with pytest.raises(ValueError, match="not this network's") as caught:
        export(NET, changed, state, x=X, names=NAMES)
    for fault in ("missing head/bias", "left over tail/bias", "head/kernel of shape (3, 5) for (24, 5)"):
        assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "error", "said"),
    [
        ("nowhere.safetensors", FileNotFoundError, "there is no file"),
        ("weights.npz", ValueError, r"must be a .safetensors, .pth or .pt file"),
        ({"model": {"fc.weight": 1}}, ValueError, r"\['model'\] are none. Pass the entry"),
    ],
)
def test_what_holds_no_weights_is_refused(weights: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        load(NET, weights, x=X, names=NAMES)


# torchvision's names, as its source has them.


def names_of(net: fnn.Layer, size: int = 224) -> dict[str, str]:
    trees = jax.eval_shape(net.init, jax.random.key(0), jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))
    paths = [path[1:-1] for path, _ in jax.tree.leaves_with_path(trees)]
    return torchvision_names({"/".join(entry.key for entry in path) for path in paths})


@pytest.mark.parametrize(
    ("net", "count", "some"),
    [
        (models.alexnet(), 8, {"features/conv1": "features.0", "features/conv5": "features.10",
                               "head/dense1": "classifier.1", "head/dense3": "classifier.6"}),
        (models.vgg(11), 11, {"features/block2/conv1": "features.3", "features/block3/conv2": "features.8",
                              "features/block5/conv2": "features.18", "head/dense1": "classifier.0"}),
        (models.vgg(16), 16, {"features/block1/conv2": "features.2", "features/block2/conv1": "features.5",
                              "features/block5/conv3": "features.28", "head/dense3": "classifier.6"}),
        (models.vgg(19, batch_norm=True), 35, {"features/block1/norm1": "features.1",
                                               "features/block2/conv1": "features.7",
                                               "features/block5/conv4": "features.49",
                                               "features/block5/norm4": "features.50"}),
        (models.resnet(50), 107, {"features/conv1": "conv1", "features/norm1": "bn1",
                                  "features/conv2_x/block1/shortcut/conv": "layer1.0.downsample.0",
                                  "features/conv2_x/block1/shortcut/norm": "layer1.0.downsample.1",
                                  "features/conv4_x/block6/body/conv3": "layer3.5.conv3",
                                  "features/conv5_x/block3/body/norm2": "layer4.2.bn2", "head": "fc"}),
        (models.googlenet(), 115, {"features/conv1": "conv1.conv", "features/reduce2": "conv2.conv",
                                   "features/reduce_norm2": "conv2.bn", "features/norm2": "conv3.bn",
                                   "features/inception3a/conv1x1/conv": "inception3a.branch1.conv",
                                   "features/inception4c/conv3x3/reduce_norm": "inception4c.branch2.0.bn",
                                   "features/inception4c/conv5x5/conv": "inception4c.branch3.1.conv",
                                   "features/inception5b/pool_proj/norm": "inception5b.branch4.1.bn", "head": "fc"}),
    ],
    ids=["alexnet", "vgg11", "vgg16", "vgg19_bn", "resnet50", "googlenet"],
)  # fmt: skip
def test_torchvisions_names(net: fnn.Layer, count: int, some: dict[str, str]) -> None:
    names = names_of(net)
    assert len(names) == len(set(names.values())) == count
    assert {path: names[path] for path in some} == some


def test_another_head_has_no_name() -> None:
    with pytest.raises(ValueError, match="Only alexnet, vgg, resnet and googlenet, with their own heads"):
        names_of(models.vgg(11, small=True), 32)
