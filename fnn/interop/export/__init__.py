"""A trained network as one file that JAX alone can run: `save` writes it, `load` reads it.

The file is a zip archive with a `jax.export` program for any batch size, for several platforms; the weights, each in
NumPy's format; and a JSON text about them. There is no pickle in it, and whoever uses it needs no fnn:

    import json
    import zipfile

    import jax.export  # which needs the package flatbuffers
    import numpy as np

    with zipfile.ZipFile("digits.fnn") as archive:
        about = json.loads(archive.read("about.json"))
        program = jax.export.deserialize(archive.read("program.bin"))
        weights = [np.load(archive.open(name)) for name in about["weights"]]
    images = np.zeros((3, *about["image_shape"]), np.uint8)
    outputs = jax.jit(program.call)(weights, images)    # (3, len(about["class_names"])), as about["outputs"] says

The normalization is part of the program. JAX promises to read a program for six months after it was written, and one
of a newer version for three weeks. On the CPU, its convolutions are XLA's own: fnn chooses among its faster ways by the
batch size, which is open here.
"""

from fnn.interop.export.file import Artifact, load, save
from fnn.interop.export.program import OUTPUTS, PLATFORMS, Outputs, make_program

__all__ = ["OUTPUTS", "PLATFORMS", "Artifact", "Outputs", "load", "make_program", "save"]
