"""Plants bugs and counts what the tests see: `python -m tests.mutation lines.json --count 400`."""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.run import Lines, copy_to, fate_of, preload

SCOPE = (
    "fnn/keys.py", "fnn/expect.py", "fnn/layer.py", "fnn/intermediates.py", "fnn/losses.py", "fnn/train/step.py",
    "fnn/combinators", "fnn/layers", "fnn/ops",
)  # fmt: skip
"""The core, the layers, the operations under them, the losses and the training step."""
MEASURED = "fnn/ops/cpu/prices.py"
"""What a script fitted to measurements: of such numbers no test can say which is right."""
UNSEEN = ("survived", "not covered")
"""What becomes of a bug that no test sees."""


def main() -> int:
    """Plants a random choice of bugs and returns 1 if one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("lines", type=Path, help="what tests.mutation.cover wrote")
    parser.add_argument("--count", type=int, default=400, help="how many bugs to plant")
    parser.add_argument("--first", type=int, default=0, help="where to go on in the random order")
    parser.add_argument("--seed", type=int, default=0, help="of that order")
    parser.add_argument("--scope", nargs="*", default=SCOPE, help="files and folders to plant into")
    parser.add_argument("--again", type=Path, help="an earlier run's output: plant only what no test saw there")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long one bug's tests take, without it")
    arguments = parser.parse_args()
    root = Path.cwd()
    every = every_mutant(root, arguments.scope)
    if arguments.again:
        unseen = {
            line.partition(": ")[2] for line in arguments.again.read_text().splitlines() if line.startswith(UNSEEN)
        }
        every = [mutant for mutant in every if str(mutant) in unseen]
    random.Random(arguments.seed).shuffle(every)
    lines = Lines(arguments.lines, arguments.seconds)
    preload()
    fates: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_to(folder, root)
        end = (root / every[0].file).stat().st_size
        sound = every[0]._replace(place=(end, end), after="")  # an empty tuple on a line of its own
        if fate_of(sound, lines.tests_for(sound), folder) != "survived":
            raise RuntimeError("the tests fail without any bug: nothing could be told from their failing with one.")
        for mutant in every[arguments.first : arguments.first + arguments.count]:
            fate = fate_of(mutant, lines.tests_for(mutant), folder)
            fates[fate] += 1
            if fate in UNSEEN:
                print(f"{fate}: {mutant}", flush=True)
            if fates.total() % 10 == 0:
                print(f"{fates.total()} of {len(every)} possible bugs: {dict(fates)}", flush=True)
    print(f"{fates.total()} of {len(every)} possible bugs: {dict(fates)}")
    return 1 if any(fates[fate] for fate in UNSEEN) else 0


def every_mutant(root: Path, scope: list[str] | tuple[str, ...]) -> list[Mutant]:
    """Returns every bug that can be planted into the files of a scope."""
    files = [
        file
        for part in scope
        for file in ([root / part] if part.endswith(".py") else sorted((root / part).rglob("*.py")))
    ]
    return [mutant for file in files if file != root / MEASURED for mutant in mutants_of(root, file)]


if __name__ == "__main__":
    sys.exit(main())
