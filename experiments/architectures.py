r"""Compare the sizes of network architectures: what they hold, what they compute, what they see.

Question: how have networks grown, and what does it buy to stack small convolutions instead of using a large one?

  python -m experiments.architectures
  python -m experiments.architectures --models=vgg16,resnet50 --image_size=320
  python -m experiments.architectures --channels=256                    # of the convolutions that are compared

Nothing is trained or computed: every number is read off the traced program by `fnn.summarize`. Prints a table of
networks and one of convolutions that see equally much. Writes into the working directory:

  result.json        both tables, every flag, seconds
  architectures.png  parameters against multiply-adds

Expect 138,357,544 parameters and 15.5 billion multiply-adds of VGG-16, 25,557,032 and 4.1 billion of ResNet-50; and two
3×3 convolutions to see what one 5×5 sees with 18 C² weights instead of 25 C².

Reference: Simonyan & Zisserman 2014, arXiv 1409.1556, section 2.3 (stacks of 3×3 convolutions); Canziani et al. 2016,
arXiv 1605.07678 (the comparison).
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from absl import flags

import fnn
from experiments import command
from experiments.command import FlagError
from fnn import analysis, train
from fnn.models import MODELS


class Shown(NamedTuple):
    """How a model is shown by default."""

    family: str
    image: tuple[int, int, int] | None = None
    """What it was made for; None for ImageNet's, whose size is a flag."""


DIGIT, THUMBNAIL = (28, 28, 1), (32, 32, 3)

SHOWN = {
    "linear_classifier": Shown("fully connected", DIGIT),
    "mlp": Shown("fully connected", DIGIT),
    "lenet5": Shown("LeNet", DIGIT),
    "convnet": Shown("LeNet", THUMBNAIL),
    "alexnet": Shown("AlexNet"),
    "vgg11": Shown("VGG"),
    "vgg16": Shown("VGG"),
    "vgg19": Shown("VGG"),
    "googlenet": Shown("GoogLeNet"),
    "resnet20_cifar": Shown("ResNet", THUMBNAIL),
    "resnet110_cifar": Shown("ResNet", THUMBNAIL),
    "resnet18": Shown("ResNet"),
    "resnet34": Shown("ResNet"),
    "resnet50": Shown("ResNet"),
    "resnet101": Shown("ResNet"),
    "resnet152": Shown("ResNet"),
    "randomly_wired_ws": Shown("randomly wired"),
}
DEFAULT = [name for name in SHOWN if name in MODELS]

MODEL_NAMES = flags.DEFINE_list("models", DEFAULT, f"Which networks: of {', '.join(MODELS)}.")
IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 224, "Height and width of the images of networks that were made for ImageNet.", lower_bound=32
)
CHANNELS = flags.DEFINE_integer("channels", 64, "C, of the convolutions that are compared.", lower_bound=1)
WORKDIR = flags.DEFINE_string("workdir", "runs/architectures", "Where results go.")


def main() -> None:
    """Compares, prints, draws and writes."""
    start = time.perf_counter()
    unknown = [name for name in MODEL_NAMES.value if name not in MODELS]
    if unknown or not MODEL_NAMES.value:
        raise FlagError(f"--models={','.join(MODEL_NAMES.value)}: choose from {', '.join(MODELS)}")
    workdir = command.make_workdir(WORKDIR.value)
    networks = [describe_model(name) for name in MODEL_NAMES.value]
    stacks = [describe_stack(kernels, CHANNELS.value) for kernels in ((5,), (3, 3), (7,), (3, 3, 3))]
    print("\n".join(table(networks)))
    print(f"\nConvolutions of C = {CHANNELS.value} channels to as many, without bias\n")
    print("\n".join(table(stacks)))
    sizes = [
        analysis.Size(row["model"], family_of(row["model"]), row["parameters"], row["multiply_adds"])
        for row in networks
    ]
    analysis.draw_sizes(sizes, workdir / "architectures.png", "What networks hold, and what they compute for one image")
    result = {
        "networks": networks,
        "convolutions": stacks,
        "seconds": round(time.perf_counter() - start, 2),
        "flags": command.flags_of(__name__),
        "versions": {"fnn": fnn.__version__, "jax": jax.__version__},
    }
    train.write_result(workdir / "result.json", result)
    print(f"\nresults in {workdir}")


def family_of(model: str) -> str:
    """Returns the family of a model's marks; a model that is not shown by default is one of its own."""
    return SHOWN[model].family if model in SHOWN else "others"


def describe_model(name: str) -> dict[str, Any]:
    """Summarizes a model on one image."""
    image = SHOWN[name].image if name in SHOWN else None
    classes = 10 if image else 1000
    image = image or (IMAGE_SIZE.value, IMAGE_SIZE.value, 3)
    try:
        summary = fnn.summarize(MODELS[name](classes=classes), jax.ShapeDtypeStruct((1, *image), jnp.float32))
    except ValueError as error:
        raise FlagError(f"--models={name}: cannot take images of {image}: {error}") from error
    return {
        "model": name,
        "image": list(image),
        "parameters": summary.parameters,
        "multiply_adds": summary.multiply_adds,
        "flops": summary.flops,
        "layers": count_products(summary.rows),
        "training_bytes": summary.total.training_bytes,
        "inference_bytes": summary.total.inference_bytes,
        "receptive_field": last_window(summary.rows),
    }


def describe_stack(kernels: Sequence[int], channels: int) -> dict[str, Any]:
    """Summarizes convolutions one after another on an image of 56×56."""
    layers = [fnn.Conv(channels, kernel, bias=False) for kernel in kernels]
    summary = fnn.summarize(fnn.serial(*layers), jax.ShapeDtypeStruct((1, 56, 56, channels), jnp.float32))
    return {
        "convolutions": " + ".join(f"{kernel}×{kernel}" for kernel in kernels),
        "parameters": summary.parameters,
        "parameters_over_C2": summary.parameters / channels**2,
        "multiply_adds": summary.multiply_adds,
        "receptive_field": last_window(summary.rows),
    }


def count_products(rows: Sequence[analysis.Row]) -> int:
    """Counts the layers that multiply by weights and hold no other layers: convolutions and dense layers."""
    outer = {row.path.rpartition("/")[0] for row in rows}
    return sum(row.multiply_adds > 0 and row.path not in outer for row in rows)


def last_window(rows: Sequence[analysis.Row]) -> int | None:
    """Returns the height of the last receptive field that still is a window, if any is."""
    fields = [row.receptive_field for row in rows]
    sizes = [field.size[0] for field in fields if field is not None and field.stride[0] is not None]
    return sizes[-1] if sizes else None


TITLES = {
    "model": "model",
    "convolutions": "convolutions",
    "image": "image",
    "parameters": "parameters",
    "parameters_over_C2": "÷ C²",
    "multiply_adds": "mult-adds",
    "layers": "layers",
    "training_bytes": "training",
    "inference_bytes": "inference",
    "receptive_field": "sees",
}


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Writes rows as aligned text."""
    keys = [key for key in TITLES if key in rows[0]]
    cells = [[TITLES[key] for key in keys], *([show(key, row[key]) for key in keys] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = "<" + ">" * (len(keys) - 1)
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True))
        for line in cells
    ]


def show(key: str, value: Any) -> str:
    """Writes one cell."""
    if key.endswith("bytes"):
        return analysis.show_bytes(value)
    if key == "multiply_adds":
        return analysis.show_count(value)
    if key == "image":
        return "×".join(map(str, value))
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:,g}" if isinstance(value, float) else f"{value:,}"


if __name__ == "__main__":
    command.run(main)
