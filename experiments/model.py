"""Which network an experiment trains, by flags."""

import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
from absl import flags

import fnn
from experiments import dataset
from experiments.command import FlagError
from fnn import interop, train
from fnn.models import MODELS

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}
TRAINABLE = [name for name in MODELS if name != "perceptron"]  # its step has no gradient to descend on

MODEL = flags.DEFINE_enum("model", "lenet5", TRAINABLE, "The network.")
DROPOUT = flags.DEFINE_float(
    "dropout", None, "The fraction of hidden units dropped in training; 0.5 by default where the model has such."
)
FILTERS = flags.DEFINE_integer(
    "filters", None, "Features of each convolution, where the model leaves them open.", lower_bound=1
)
SMALL = flags.DEFINE_boolean("small", False, "The form for small images such as CIFAR's, where the model has one.")
PRECISION = flags.DEFINE_enum(
    "precision", "float32", list(PRECISIONS), "In what the network computes; the loss is scaled for float16."
)
INIT_FROM = flags.DEFINE_string(
    "init_from", None, "Start from what another run learnt, the weights.safetensors in its working directory."
)
INIT_PARTS = flags.DEFINE_list(
    "init_parts", [], "What is taken from --init_from, such as features; all by default. The rest starts as ever."
)


def make_network(training: dataset.AnySplit) -> fnn.Layer:
    """Makes the network that the flags describe, for such images and as many classes."""
    build = MODELS[MODEL.value]
    options = {"dropout": DROPOUT.value, "filters": FILTERS.value, "small": SMALL.value or None}
    if DROPOUT.value is None and takes(build, "dropout"):
        options["dropout"] = 0.5
    options = {option: value for option, value in options.items() if value is not None}
    for option in options:
        if not takes(build, option):
            able = ", ".join(name for name in TRAINABLE if takes(MODELS[name], option))
            raise FlagError(f"--{option}: {MODEL.value} has no such option; {able} can take it")
    try:
        network = build(len(training.class_names), **options)
    except ValueError as error:
        raise FlagError(str(error)) from error
    size = "×".join(map(str, training.image_shape[:2]))
    images = jax.ShapeDtypeStruct((1, *training.image_shape), jnp.float32)
    try:
        jax.eval_shape(network.init, jax.random.key(0), images)
    except ValueError as error:
        raise FlagError(f"--model={MODEL.value} cannot take images of {size}; see --image_size: {error}") from error
    if PRECISION.value != "float32":
        network = fnn.mixed_precision(network, PRECISIONS[PRECISION.value])
    return start_from_file(network, images)


def start_from_file(network: fnn.Layer, images: jax.ShapeDtypeStruct) -> fnn.Layer:
    """Returns the network that starts from the weights of another run, if the flags name one."""
    if INIT_FROM.value is None:
        if INIT_PARTS.value:
            raise FlagError("--init_parts says what to take from --init_from, which is not given")
        return network
    try:
        weights = interop.safetensors.load(INIT_FROM.value)
        network = train.starting_from(network, *weights, parts=INIT_PARTS.value)
        jax.eval_shape(network.init, jax.random.key(0), images)
    except (OSError, ValueError) as error:
        raise FlagError(f"--init_from={INIT_FROM.value}: {error}") from error
    return network


def takes(build: Callable[..., fnn.Layer], option: str) -> bool:
    """Says whether a model has an option."""
    return option in inspect.signature(build).parameters
