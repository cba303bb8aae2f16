"""What `import fnn` gives, and what it does not load."""

import subprocess
import sys

import fnn
from fnn import combinators, layers

HEAVY = [
    "matplotlib",
    "sklearn",
    "tensorflow_datasets",
    "tensorflow",
    "orbax",
    "flax",
    "torch",
    "scipy",
    "PIL",
    "tqdm",
    "safetensors",
]


def test_import_loads_nothing_heavy() -> None:
    # Those that jax and optax load themselves are not fnn's doing.
    code = (
        f"import sys, jax, optax; before = set(sys.modules); import fnn; "
        f"print([name for name in {HEAVY} if name in sys.modules and name not in before])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_import_touches_no_device() -> None:
    code = "import fnn; from jax._src import xla_bridge; print(xla_bridge.backends_are_initialized())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_every_layer_and_combinator_is_at_the_top() -> None:
    for room in (layers, combinators):
        for name in room.__all__:
            assert getattr(fnn, name) is getattr(room, name)
            assert name in fnn.__all__


def test_everything_public_has_a_docstring() -> None:
    functions = [getattr(fnn, name) for name in fnn.__all__ if not isinstance(getattr(fnn, name), fnn.Layer)]
    assert all(function.__doc__ for function in functions)
    assert fnn.__doc__


def test_the_tutorial_runs() -> None:
    assert fnn.__doc__
    lines = fnn.__doc__.splitlines()
    start, end = lines.index("    import jax"), lines.index("    gradient = jax.jit(jax.grad(loss))(params)")
    names: dict = {}
    exec("\n".join(line.removeprefix("    ") for line in lines[start : end + 1]), names)
    assert names["gradient"]["conv"]["kernel"].shape == (5, 5, 1, 6)
