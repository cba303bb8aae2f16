"""Lists the experiments: `python -m experiments`."""

import ast
from collections.abc import Iterator
from pathlib import Path


def experiments() -> Iterator[tuple[str, str]]:
    """Gives the name of each experiment and the first line of its docstring, importing none of them.

    An experiment is a file of this folder that has a function `main`.
    """
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            yield path.stem, (ast.get_docstring(tree) or "").partition("\n")[0]


def list_experiments() -> None:
    """Prints a line for each experiment."""
    found = dict(experiments())
    for name, line in found.items():
        print(f"{name:{max(map(len, found))}}  {line}")
    print("\nRun one as `python -m experiments.NAME`; `--help` tells what it asks, what to expect, and its flags.")


if __name__ == "__main__":
    list_experiments()
