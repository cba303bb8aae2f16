"""What a person sees of a run while it goes on, and can look at later, by flags."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jax
from absl import flags
from tqdm import tqdm

import fnn
from experiments import dataset, optimization
from experiments.command import FlagError
from fnn import analysis, train

TENSORBOARD = flags.DEFINE_boolean(
    "tensorboard", False, "Also write each epoch's numbers to tensorboard/ in the working directory, for TensorBoard."
)
PROFILE = flags.DEFINE_boolean(
    "profile", False, "Write a trace of the second epoch, or the only one, to profile/ in the working directory; "
    "TensorBoard's profiler and Perfetto open it.",
)  # fmt: skip
RANGE_TEST = flags.DEFINE_boolean(
    "range_test",
    False,
    "First try learning rates from 1e-5 to 10 on a copy of the network, say which one to begin with and draw "
    "range_test.png; the run itself is the same as without.",
)
NOT_REPEATED = {
    *("workdir", "fresh", "discard_checkpoints", "export", "profile", "range_test", "overfit_batch"),
    *("coordinator", "processes", "process"),
}
"""Flags that are not in `flags.txt`: they say where, or how to look, and not what is run."""


def write_flags(path: Path, *modules: Any) -> None:
    """Says which flags are not at their defaults, and writes all of them to a file that `--flagfile` takes.

    Args:
      path: where to.
      *modules: that define the experiment's flags.
    """
    held = [
        flag
        for module in modules
        for flag in flags.FLAGS.get_flags_for_module(module)
        if flag.name not in NOT_REPEATED and flag.value is not None
    ]
    changed = [flag.serialize() for flag in held if flag.value != flag.default]
    print(f"flags: {' '.join(changed) or 'all at their defaults'}; all of them in {path}")
    path.write_text("".join(f"{flag.serialize()}\n" for flag in held), encoding="utf-8")


@contextmanager
def watched(workdir: Path, epochs: int) -> Iterator[Callable[[train.Epoch], None]]:
    """Yields what to call after each epoch: it prints a row and writes what the flags ask for.

    Args:
      workdir: of the run.
      epochs: how many there are in all.

    Raises:
      FlagError: if TensorBoard's writer is not installed.
    """
    row = train.epoch_table(tqdm.write)
    with ExitStack() as stack:
        write = stack.enter_context(_tensorboard(workdir / "tensorboard")) if TENSORBOARD.value else None
        profiled = stack.enter_context(_profile(workdir / "profile", epochs)) if PROFILE.value else None

        def tell(epoch: train.Epoch) -> None:
            row(epoch)
            train.metrics_log.append(workdir / "metrics.jsonl", epoch._asdict())
            for also in (write, profiled):
                if also is not None:
                    also(epoch)

        yield tell


def try_rates(network: fnn.Layer, training: dataset.AnySplit, workdir: Path, title: str, **options: Any) -> None:
    """Says which learning rate to begin with, and draws why.

    Args:
      network: what is tried.
      training: what it learns from.
      workdir: where the picture goes.
      title: of the picture.
      **options: as for `fnn.train.range_test`.
    """
    found = train.range_test(network, training, lambda rate: optimization.make_optimizer(1, rate=rate), **options)
    analysis.draw_range_test(
        found.rates, found.losses, found.smoothed, found.suggestion, workdir / "range_test.png", title
    )
    print(f"range test: {len(found.rates)} steps from {found.rates[0]:.2g} to {found.rates[-1]:.2g}; begin with")
    print(f"  --learning_rate={found.suggestion:.2g}")


@contextmanager
def _tensorboard(directory: Path) -> Iterator[Callable[[train.Epoch], None]]:
    try:
        from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports] - an extra
    except ImportError:
        raise FlagError("--tensorboard needs tensorboardX: pip install 'fnn[tensorboard]'") from None
    writer: Any = None

    def write(epoch: train.Epoch) -> None:
        nonlocal writer
        if writer is None:  # a run that goes on hides what an earlier process wrote of the same epochs
            writer = SummaryWriter(str(directory), purge_step=epoch.epoch)
        for name, value in epoch._asdict().items():
            if name != "epoch" and value is not None:
                part, _, what = name.partition("_")
                writer.add_scalar(f"{what}/{part}" if what else name, value, epoch.epoch)
        writer.flush()

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


@contextmanager
def _profile(directory: Path, epochs: int) -> Iterator[Callable[[train.Epoch], None]]:
    """Traces what is run from the end of the first epoch, which compiles, to that of the second."""
    with ExitStack() as tracing:

        def begin() -> None:
            tracing.enter_context(jax.profiler.trace(directory, create_perfetto_trace=True))

        def at_end(epoch: train.Epoch) -> None:
            tracing.close()
            if epoch.epoch == 1 < epochs:
                begin()

        if epochs == 1:
            begin()
        yield at_end
