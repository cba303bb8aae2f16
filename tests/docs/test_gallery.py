"""The gallery shows every experiment, and can be made again, one by one."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from docs import make_gallery
from docs.captions import CAPTIONS, Caption

PAGE = make_gallery.PAGE.read_text(encoding="utf-8")
BLUE = (5, 48, 97)
LINKED = re.findall(r"!\[.*?\]\(pictures/gallery/(.+?)\)", PAGE)


def test_every_experiment_with_a_question_has_an_entry_and_a_section() -> None:
    questions = make_gallery.questions_of_experiments()
    assert "predict" not in questions
    assert set(CAPTIONS) == set(questions), "give each experiment an entry in docs/captions.py"
    sections = make_gallery.read_sections(PAGE)
    assert list(sections) == list(questions), "run python -m docs.make_gallery --only=NAME"
    for name, section in sections.items():
        assert questions[name] in section
        assert f"python -m experiments.{name}\n" in section


def test_every_picture_is_there_and_small_and_none_is_left_over() -> None:
    files = {path.name: path.stat().st_size for path in make_gallery.PICTURES.iterdir()}
    assert sorted(LINKED) == sorted(files)
    assert sorted(LINKED) == sorted(f"{name}-{picture}" for name in CAPTIONS for picture in CAPTIONS[name].pictures)
    assert sum(files.values()) < 3e6


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty gallery, with an experiment that has run, and one that has not."""
    monkeypatch.setattr(make_gallery, "PAGE", tmp_path / "gallery.md")
    monkeypatch.setattr(make_gallery, "PICTURES", tmp_path / "pictures")
    monkeypatch.setattr(make_gallery, "questions_of_experiments", lambda: {"one": "Is it?", "two": "Was it?"})
    captions = {
        name: Caption(("chart.png",), lambda result: f"The answer is {result['answer']}.") for name in ("one", "two")
    }
    monkeypatch.setattr(make_gallery, "CAPTIONS", captions)
    finish(tmp_path / "runs" / "one", 42)
    return tmp_path


def finish(directory: Path, answer: int) -> None:
    directory.mkdir(parents=True)
    (directory / "result.json").write_text(json.dumps({"answer": answer}))
    chart = Image.effect_noise((2000, 500), 50).convert("RGB")
    chart.paste(BLUE, (0, 0, 20, 20))
    chart.save(directory / "chart.png")


def test_one_experiment_is_remade_and_the_rest_of_the_page_stays(
    gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = gallery / "gallery.md"
    started = []

    def run(name: str, directory: Path) -> None:
        started.append(name)
        finish(directory, 43)

    monkeypatch.setattr(make_gallery, "run", run)
    arguments = ["--reuse", f"--runs={gallery / 'runs'}"]
    make_gallery.main(arguments)
    assert started == ["two"]  # the other had run
    before = make_gallery.read_sections(page.read_text())
    assert before["one"].startswith("## one\n\n**Is it?** The answer is 42.\n\n![one](pictures/gallery/one-chart.png)")
    assert "```bash\npython -m experiments.two\n```" in before["two"]
    with Image.open(gallery / "pictures" / "one-chart.png") as picture:
        np.testing.assert_allclose(np.asarray(picture.convert("RGB"))[2, 2], BLUE, atol=20)
        assert picture.size == (make_gallery.WIDEST, make_gallery.WIDEST // 4)
    (gallery / "runs" / "one" / "result.json").write_text('{"answer": 44}')
    (gallery / "pictures" / "old.png").touch()
    make_gallery.main([*arguments, "--only=one"])
    after = make_gallery.read_sections(page.read_text())
    assert list(after) == ["one", "two"]
    assert "44" in after["one"]
    assert after["two"] == before["two"]
    assert sorted(path.name for path in (gallery / "pictures").iterdir()) == ["one-chart.png", "two-chart.png"]


@pytest.mark.parametrize(
    ("only", "captions", "said"),
    [("three", {}, "no experiment 'three'; there are one, two"), ("one", {}, "no entry for the experiment 'one'")],
)
@pytest.mark.usefixtures("gallery")
def test_what_it_cannot_show_is_refused(
    only: str, captions: Any, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_gallery, "CAPTIONS", captions)
    with pytest.raises(SystemExit, match="2"):
        make_gallery.main([f"--only={only}"])
    assert said in capsys.readouterr().err


def test_an_experiment_is_started_as_a_user_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def start(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, len(commands) - 1, "said", "complained")

    monkeypatch.setattr(subprocess, "run", start)
    make_gallery.run("xor", tmp_path / "xor")
    assert commands == [[sys.executable, "-m", "experiments.xor", f"--workdir={tmp_path / 'xor'}"]]
    with pytest.raises(SystemExit, match=r"xor ended with status 1:\nsaid\ncomplained"):
        make_gallery.run("xor", tmp_path / "xor")
