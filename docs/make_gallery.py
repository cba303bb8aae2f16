"""Makes docs/gallery.md from real runs: every experiment is started as a user would, with its defaults.

  python -m docs.make_gallery                         # all of it, about ten minutes on two cores
  python -m docs.make_gallery --only=xor,collapse     # these; the rest of the page stays
  python -m docs.make_gallery --reuse                 # runs only what --runs does not hold yet

What an experiment is listed with, the question and the command, is read from its docstring; which of its pictures are
shown, and the sentence that answers the question from its result.json, stands in docs/captions.py.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docs.captions import CAPTIONS
from experiments.__main__ import experiments

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
PICTURES = ROOT / "docs" / "pictures" / "gallery"
WIDEST = 1300
"""Pixels; wider pictures are made smaller."""
COLOURS = 128
"""A picture keeps at most so many."""

INTRODUCTION = """\
# Gallery

What each experiment draws and answers, run with its defaults, seed 0, on embedded data. `python -m docs.make_gallery`
made this page, its pictures and its numbers; `python -m experiments.NAME --help` tells more.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs what is asked for, and writes the page."""
    parser = argparse.ArgumentParser(
        prog="python -m docs.make_gallery", description="Makes docs/gallery.md from real runs."
    )
    parser.add_argument("--only", default="", help="names of experiments, separated by commas; all by default")
    parser.add_argument("--runs", type=Path, default=Path("runs/gallery"), help="where the runs' directories go")
    parser.add_argument("--reuse", action="store_true", help="take a run that is in --runs already")
    chosen = parser.parse_args(arguments)
    questions = questions_of_experiments()
    wanted = [name for name in chosen.only.split(",") if name] or list(questions)
    for name in wanted:
        if name not in questions:
            parser.error(f"--only: there is no experiment {name!r}; there are {', '.join(questions)}")
        if name not in CAPTIONS:
            parser.error(f"docs/captions.py has no entry for the experiment {name!r}")
    sections = read_sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    for name in wanted:
        directory = (chosen.runs / name).absolute()
        if not (chosen.reuse and (directory / "result.json").exists()):
            run(name, directory)
        result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        sections[name] = write_section(name, questions[name], copy_pictures(name, directory), result)
        PAGE.write_text(write_page({name: sections[name] for name in questions if name in sections}), encoding="utf-8")
    remove_leftovers(PAGE.read_text(encoding="utf-8"))


def questions_of_experiments() -> dict[str, str]:
    """Returns the question of each experiment, as its docstring has it; what asks none is a tool."""
    questions = {}
    for name, _ in experiments():
        source = (ROOT / "experiments" / f"{name}.py").read_text(encoding="utf-8")
        found = re.search(r"^Question: (.+?)\n\n", ast.get_docstring(ast.parse(source)) or "", re.DOTALL | re.MULTILINE)
        if found:
            question = " ".join(found[1].split())
            questions[name] = question[0].upper() + question[1:]
    return questions


def run(name: str, directory: Path) -> None:
    """Starts an experiment with its defaults.

    Raises:
      SystemExit: if it does not end well.
    """
    print(f"python -m experiments.{name}", flush=True)
    directory.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", f"--workdir={directory}"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"experiments.{name} ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}")


def copy_pictures(name: str, directory: Path) -> list[str]:
    """Copies an experiment's chosen pictures to the gallery's, small, and returns their names there."""
    from PIL import Image

    PICTURES.mkdir(parents=True, exist_ok=True)
    copies = []
    for picture in CAPTIONS[name].pictures:
        copy = f"{name}-{picture}"
        if picture.endswith(".svg"):
            (PICTURES / copy).write_bytes((directory / picture).read_bytes())
        else:
            with Image.open(directory / picture) as image:
                small = image.convert("RGB")
                if small.width > WIDEST:
                    height = round(small.height * WIDEST / small.width)
                    small = small.resize((WIDEST, height), Image.Resampling.LANCZOS)
                # A palette by median cut, Pillow's default, would lose colours that few pixels have.
                palette = small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
                palette.save(PICTURES / copy, optimize=True)
        copies.append(copy)
    return copies


def write_section(name: str, question: str, pictures: Sequence[str], result: dict[str, Any]) -> str:
    """Writes an experiment's part of the page: the question, the answer, the command and the pictures."""
    shown = "\n\n".join(f"![{name}](pictures/gallery/{picture})" for picture in pictures)
    command = f"```bash\npython -m experiments.{name}\n```"
    return f"## {name}\n\n**{question}** {CAPTIONS[name].answer(result)}\n\n{shown}\n\n{command}\n"


def write_page(sections: Mapping[str, str]) -> str:
    """Puts the page together."""
    return "\n".join([INTRODUCTION, *sections.values()])


def read_sections(page: str) -> dict[str, str]:
    """Takes a page apart: the sections by the name of the experiment."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].removeprefix("## "): part.rstrip("\n") + "\n" for part in parts}


def remove_leftovers(page: str) -> None:
    """Deletes the gallery's pictures that the page does not show."""
    for path in PICTURES.iterdir():
        if f"pictures/gallery/{path.name})" not in page:
            path.unlink()


if __name__ == "__main__":
    main()
