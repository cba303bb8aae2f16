"""The file: written whole or not at all; read as somebody else's bytes, of which nothing is believed unchecked."""

import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from fnn.data import Normalization
from fnn.data.files.foreign import reading, size_of
from fnn.data.files.npy import member_header, read_member
from fnn.data.source import DataError
from fnn.interop.export.program import OUTPUTS, PLATFORMS, Outputs, make_program
from fnn.layer import Layer, Params, State

_FORMAT, _VERSION = "fnn network", 1
_ABOUT, _PROGRAM = "about.json", "program.bin"
_ABOUT_LIMIT = 2**22
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the archive tells no time, so that equal networks give equal files


class Artifact(NamedTuple):
    """A network that was read from a file."""

    predict: Callable[[Any], jax.Array]
    """From uint8 images `(batch, *image_shape)`, of any batch, to `(batch, classes)`."""
    image_shape: tuple[int, int, int]
    """`(height, width, channels)`."""
    class_names: tuple[str, ...]
    outputs: str
    """`"probabilities"` or `"scores"`."""
    platforms: tuple[str, ...]
    """Where it can run."""


def save(
    path: str | os.PathLike[str],
    layer: Layer,
    params: Params,
    state: State,
    *,
    normalization: Normalization,
    image_shape: Sequence[int],
    class_names: Sequence[str],
    outputs: Outputs = "probabilities",
    platforms: Sequence[str] = PLATFORMS,
) -> None:
    """Writes a trained network; whoever reads `path` finds the old file or the new one, never a part.

    Args:
      path: of the file.
      layer: maps normalized images to one output a class.
      params: its trained parameters.
      state: its state.
      normalization: of the images that it was trained on.
      image_shape: `(height, width, channels)` of the images.
      class_names: one a class.
      outputs: `"probabilities"`, the softmax of what the network gives; or `"scores"`, what it gives, for networks
        that were not trained to give logits, or that end in a `Softmax` of their own.
      platforms: where it shall run.

    Raises:
      ValueError: if the layer has not one output for each class name; else as `make_program`.
    """
    program, weights = make_program(
        layer, params, state, normalization, image_shape, outputs=outputs, platforms=platforms
    )
    classes = program.out_avals[0].shape[-1]
    if classes != len(class_names):
        raise ValueError(f"export got {len(class_names)} class names for a network with {classes} outputs.")
    members = {f"{name}.npy": array for name, array in weights.items()}
    about = {
        "format": _FORMAT,
        "version": _VERSION,
        "image_shape": list(image_shape),
        "class_names": list(class_names),
        "outputs": outputs,
        "mean": normalization.mean.tolist(),
        "std": normalization.std.tolist(),
        "platforms": list(program.platforms),
        "weights": list(members),
    }
    path = Path(path)
    beside = path.with_name(path.name + ".part")
    with zipfile.ZipFile(beside, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_ABOUT, _LONG_AGO), json.dumps(about, indent=2))
        archive.writestr(zipfile.ZipInfo(_PROGRAM, _LONG_AGO), program.serialize())
        for name, array in members.items():
            with archive.open(zipfile.ZipInfo(name, _LONG_AGO), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    os.replace(beside, path)  # noqa: PTH105 - the one that is atomic on every system


def load(path: str | os.PathLike[str]) -> Artifact:
    """Reads a network that `save` wrote.

    Nothing is unpickled, and nothing larger than the file is allocated. The program is one for XLA's compiler: it can
    compute, but a program that calls anything outside of itself is refused.

    Raises:
      DataError: if it is no such file, or its parts do not fit each other.
    """
    path = Path(path)
    size = size_of(path)
    with reading(path), zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise DataError(f"{path}: holds two members of one name; it is corrupt, fetch it anew.")
        about = _parse(_read(archive, members, _ABOUT, min(size, _ABOUT_LIMIT), path), path)
        program = _deserialize(_read(archive, members, _PROGRAM, size, path), path)
        weights = []
        for name in about["weights"]:
            where = f"{path}: {name}"
            if name not in members:
                raise DataError(f"{where}: is not there; the file is corrupt, fetch it anew.")
            weights.append(read_member(archive, members[name], member_header(archive, members[name], where), where))
    _check_fit(program, weights, about, path)
    shape = tuple(about["image_shape"])
    arrays = [jnp.asarray(array) for array in weights]
    run = jax.jit(program.call)

    def predict(images: Any) -> jax.Array:
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
            raise ValueError(
                f"this network expects uint8 images of shape (batch, {', '.join(map(str, shape))}), at least one, "
                f"got {images.dtype} {tuple(images.shape)}."
            )
        return run(arrays, images)

    return Artifact(predict, shape, tuple(about["class_names"]), about["outputs"], program.platforms)


def _read(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str, limit: int, path: Path) -> bytes:
    """Reads a member that lies in the archive as it is."""
    member = members.get(name)
    if member is None:
        raise DataError(
            f"{path}: expected a network as fnn.interop.export.save writes it, but there is no {name} in it."
        )
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > limit:
        raise DataError(f"{path}: {name} should lie in it unpacked, in up to {limit} bytes; fetch it anew.")
    return archive.read(member)


def _parse(text: bytes, path: Path) -> dict[str, Any]:
    """Reads what the file says about itself, and checks what is used of it."""
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: {_ABOUT} is no JSON; it is corrupt, fetch it anew.") from error
    if not isinstance(about, dict) or (about.get("format"), about.get("version")) != (_FORMAT, _VERSION):
        raise DataError(f"{path}: expected a network of format {_FORMAT!r}, version {_VERSION}; write it anew.")
    shape, outputs = about.get("image_shape"), about.get("outputs")
    is_shape = isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)
    if (
        not is_shape
        or outputs not in OUTPUTS
        or not all(_is_words(about.get(key)) for key in ("class_names", "weights"))
    ):
        raise DataError(f"{path}: {_ABOUT} makes no sense; it is corrupt, fetch it anew.")
    return about


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _deserialize(blob: bytes, path: Path) -> export.Exported:
    try:
        program = export.deserialize(bytearray(blob))
        text = program.mlir_module()
    except Exception as error:  # the reader of flat buffers raises whatever it meets
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: {_PROGRAM} cannot be read, {reason}; it is corrupt, or too old or new.") from error
    # All that a program of `save` calls: that the batch holds at least one image.
    if "custom_call" in text.replace("stablehlo.custom_call @shape_assertion(", ""):
        raise DataError(f"{path}: its program calls functions outside of itself, which no network of fnn does.")
    return program


def _check_fit(program: export.Exported, weights: list[np.ndarray], about: dict[str, Any], path: Path) -> None:
    """Checks that the program takes these weights and such images, and gives a number a class."""
    *wanted, images = program.in_avals
    (batch, *shape), classes = images.shape, len(about["class_names"])
    fits = [(a.shape, a.dtype) for a in weights] == [(aval.shape, aval.dtype) for aval in wanted]
    fits = fits and export.is_symbolic_dim(batch) and (shape, images.dtype) == (about["image_shape"], np.uint8)
    if not fits or [aval.shape for aval in program.out_avals] != [(batch, classes)]:
        raise DataError(f"{path}: its program and its weights do not belong together; it is corrupt, fetch it anew.")
