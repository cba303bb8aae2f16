"""What an error that a layer raised says, and whether the layer meant it."""

import dis
import traceback
from pathlib import Path

import jax
import jaxlib
import numpy as np

_HERE = Path(__file__).parent
_LIBRARIES = tuple(Path(library.__file__).parent for library in (jax, jaxlib, np) if library.__file__)


def describe_error(error: BaseException) -> str:
    """Says what was raised, in which layer (the notes that combinators add) and in which line of whose code."""
    notes = [note for note in getattr(error, "__notes__", []) if note.startswith("  in ")]
    first = str(error).strip().split("\n\n")[0]
    lines = [f"{type(error).__name__}: {first}", *notes]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(Path(frame.filename))]
    if frames:
        lines.append(
            f"  at {Path(frames[-1].filename).name}:{frames[-1].lineno}, in {frames[-1].name}: {frames[-1].line}"
        )
    return "\n".join(lines)


def refuses(error: BaseException) -> bool:
    """Says whether a layer refused its input in words of its own: not JAX or NumPy, stumbling over it."""
    if not isinstance(error, ValueError | TypeError) or error.__traceback__ is None:
        return False
    innermost = error.__traceback__
    while innermost.tb_next:
        innermost = innermost.tb_next
    code = innermost.tb_frame.f_code
    raised = dis.opname[code.co_code[innermost.tb_lasti]] == "RAISE_VARARGS"  # where the source need not be at hand
    return raised and not _is_within(Path(code.co_filename), _LIBRARIES)


def _is_machinery(path: Path) -> bool:
    return _is_within(path, (_HERE, *_LIBRARIES))


def _is_within(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(folder in path.parents for folder in folders)
