"""What torchvision calls the layers of fnn's networks."""

import re
from collections.abc import Callable, Collection

Names = dict[str, str]
"""From the path of a layer in fnn to the name of a module in PyTorch: `"features/conv1"` to `"features.0"`."""


def torchvision_names(layers: Collection[str]) -> Names:
    """Names the layers of AlexNet, VGG, ResNet or GoogLeNet as torchvision does.

    Args:
      layers: the paths of all layers that have parameters or state.

    Raises:
      ValueError: if they are none of these networks'.
    """
    for names_of in (_alexnet, _vgg, _resnet, _googlenet):
        names = names_of(layers)
        if set(names) == set(layers):
            return names
    raise ValueError(
        f"torchvision has no network of the layers {_brief(layers)}. Only alexnet, vgg, resnet and googlenet, with "
        'their own heads, are known by name; for others pass names={"path/of/layer": "module.name", …}.'
    )


def _alexnet(layers: Collection[str]) -> Names:
    del layers  # there is one AlexNet
    features = {f"features/conv{i}": f"features.{place}" for i, place in enumerate((0, 3, 6, 8, 10), start=1)}
    head = {f"head/dense{i}": f"classifier.{place}" for i, place in enumerate((1, 4, 6), start=1)}
    return features | head


def _vgg(layers: Collection[str]) -> Names:
    """Counts the places in torchvision's one sequence of convolutions, BatchNorms, ReLUs and pools."""
    names: Names = {f"head/dense{i}": f"classifier.{place}" for i, place in enumerate((0, 3, 6), start=1)}
    place = 0
    for block in range(1, 6):
        i = 1
        while (conv := f"features/block{block}/conv{i}") in layers:
            names[conv] = f"features.{place}"
            norm = f"features/block{block}/norm{i}"
            if norm in layers:
                place += 1
                names[norm] = f"features.{place}"
            place += 2  # the convolution, or its BatchNorm, and the ReLU
            i += 1
        place += 1  # the pool
    return names


def _resnet(layers: Collection[str]) -> Names:
    def block(match: re.Match[str]) -> str:
        return f"layer{int(match['stage']) - 1}.{int(match['block']) - 1}"

    inside = r"features/conv(?P<stage>\d)_x/block(?P<block>\d+)"
    return _by_rules(
        layers,
        {
            r"features/conv1": lambda _: "conv1",
            r"features/norm1": lambda _: "bn1",
            rf"{inside}/body/conv(?P<i>\d)": lambda m: f"{block(m)}.conv{m['i']}",
            rf"{inside}/body/norm(?P<i>\d)": lambda m: f"{block(m)}.bn{m['i']}",
            rf"{inside}/shortcut/conv": lambda m: f"{block(m)}.downsample.0",
            rf"{inside}/shortcut/norm": lambda m: f"{block(m)}.downsample.1",
            r"head": lambda _: "fc",
        },
    )


def _googlenet(layers: Collection[str]) -> Names:
    kinds = {"conv": "conv", "norm": "bn", "reduce": "conv", "reduce_norm": "bn"}
    branches = {"conv3x3": "branch2", "conv5x5": "branch3"}
    block = r"features/(?P<block>inception\d\w)"
    return _by_rules(
        layers,
        {
            r"features/(?P<kind>conv|norm)1": lambda m: f"conv1.{kinds[m['kind']]}",
            r"features/(?P<kind>reduce|reduce_norm)2": lambda m: f"conv2.{kinds[m['kind']]}",
            r"features/(?P<kind>conv|norm)2": lambda m: f"conv3.{kinds[m['kind']]}",
            rf"{block}/conv1x1/(?P<kind>conv|norm)": lambda m: f"{m['block']}.branch1.{kinds[m['kind']]}",
            rf"{block}/(?P<branch>conv\dx\d)/(?P<kind>reduce|reduce_norm)": lambda m: (
                f"{m['block']}.{branches[m['branch']]}.0.{kinds[m['kind']]}"
            ),
            rf"{block}/(?P<branch>conv[35]x[35])/(?P<kind>conv|norm)": lambda m: (
                f"{m['block']}.{branches[m['branch']]}.1.{kinds[m['kind']]}"
            ),
            rf"{block}/pool_proj/(?P<kind>conv|norm)": lambda m: f"{m['block']}.branch4.1.{kinds[m['kind']]}",
            r"head": lambda _: "fc",
        },
    )


def _by_rules(layers: Collection[str], rules: dict[str, Callable[[re.Match[str]], str]]) -> Names:
    """Names each layer by the first rule whose pattern is its path; those that no rule knows are left out."""
    names: Names = {}
    for path in layers:
        for pattern, name in rules.items():
            if match := re.fullmatch(pattern, path):
                names[path] = name(match)
                break
    return names


def _brief(layers: Collection[str]) -> str:
    few = sorted(layers)
    return ", ".join(few[:6]) + (f", … ({len(few)} in all)" if len(few) > 6 else "")
