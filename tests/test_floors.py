"""Who may import whom: each room imports only from the floors below it, and itself."""

import ast
from pathlib import Path

import fnn

ROOT = Path(fnn.__file__).parent
FLOORS = [
    {"keys", "ops", "expect"},
    {"layer"},
    {"intermediates"},
    {"combinators", "layers", "losses"},
    {"models"},
    {"data"},
    {"train", "analysis"},
    {"interop"},
    {"stax"},
]
KNOWS_NO_LAYERS = {"data": {"keys", "data"}}


def rooms_imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "fnn":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fnn."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("fnn.") for alias in node.names), f"{path}: import fnn.x"
    return found


def test_rooms_import_only_from_below() -> None:
    floor_of = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    files = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]
    assert len(files) > 30
    wrong = []
    for path in files:
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for other in rooms_imported(path):
            below = other in KNOWS_NO_LAYERS.get(room, {other}) and floor_of[other] < floor_of[room]
            if other != room and not below:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert wrong == []
