"""What the README shows is run."""

import re
import shlex
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(marker: str) -> str:
    (found,) = re.findall(rf"<!-- {marker} -->\n```\w+\n(.+?)\n```", README, flags=re.DOTALL)
    return found


@pytest.mark.usefixtures("optax_promotes")
def test_the_example_learns(capsys: pytest.CaptureFixture[str]) -> None:
    exec(block("example"), {})
    loss = float(capsys.readouterr().out.removeprefix("loss "))
    assert loss < 1.0  # it starts at about ln 10 = 2.3


@pytest.mark.usefixtures("optax_promotes")
def test_fit_takes_data_of_your_own(capsys: pytest.CaptureFixture[str]) -> None:
    exec(block("fit"), {})
    accuracy, shape = capsys.readouterr().out.split(maxsplit=1)
    assert 0.4 < float(accuracy) <= 1
    assert shape.strip() == "(84, 2)"


def test_a_layer_of_your_own_is_a_layer() -> None:
    import jax
    import jax.numpy as jnp

    names: dict = {}
    exec(block("layer"), names)
    x = jnp.ones((4, 3))
    with jax.numpy_rank_promotion("allow"):  # JAX's default, for which the example is written
        params, state = names["net"].init(jax.random.key(0), x)
        assert params["scale1"]["scale"].shape == (16,)
        assert names["net"].apply(params, state, x, train=False)[0].shape == (4, 10)


@pytest.mark.usefixtures("optax_promotes")
def test_a_loop_of_your_own_keeps_memory() -> None:
    import jax
    import jax.numpy as jnp
    import optax

    import fnn

    net, optimizer, images = fnn.Dense(10), optax.sgd(0.1), jnp.ones((4, 3))
    step = fnn.train.make_step(net, optimizer, fnn.losses.softmax_cross_entropy)
    train_state = fnn.train.init_train_state(net, optimizer, 0, images)
    names = {"jax": jax, "fnn": fnn, "step": step, "train_state": train_state}
    names["batch"] = fnn.train.Batch(images, jnp.zeros(4, jnp.int32))
    exec(block("memory"), names)
    after, _ = names["step"](train_state, names["batch"])
    assert after.step == 1
    assert train_state.params["bias"].is_deleted()  # donated


def test_the_summary_shown_is_the_one_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    exec(block("summary"), {})
    table, _, _ = capsys.readouterr().out.partition("\n\n")
    assert f"```\n{table}\n```" in README


@pytest.mark.parametrize("marker", ["run command", "test command"])
def test_each_command_is_one_line(marker: str) -> None:
    assert len(block(marker).splitlines()) == 1


def test_every_flag_shown_exists() -> None:
    from absl import flags

    import experiments.classify  # noqa: F401 - defines the flags

    shown = re.findall(r"python -m experiments\.classify( --[^\n`]*)?", README)
    assert len(shown) > 2
    for arguments in shown:
        for argument in shlex.split(arguments.split("#")[0]):
            name = argument.removeprefix("--").split("=")[0]
            assert name in flags.FLAGS or name in ("help", "flagfile"), argument  # absl adds these when it parses


def test_the_picture_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (Path(__file__).parents[1] / picture).stat().st_size > 1000
