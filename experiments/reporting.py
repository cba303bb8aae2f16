"""What a run or a grid says and writes when it is trained: rows, a summary, a picture, the best model."""

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import fnn
from experiments import grid, results
from fnn import data, interop, train

NOT_REPEATED = {"seed", "fold", "folds", "models_at_once", "workdir", "export", "fresh", "discard_checkpoints"}
"""Flags that the command of a row has for itself, or not at all, beside those that vary."""
VERSIONS = {"fnn": fnn.__version__, "jax": jax.__version__}


class Found(NamedTuple):
    """A grid, trained."""

    plan: grid.Plan
    many: train.Many
    loss: train.LossFn
    split: data.Split
    """From which all models took what they learnt from."""
    test: data.Split
    seconds: float
    """That training took."""


def report(
    found: Found, head: Mapping[str, Any], values: Mapping[str, Any], workdir: Path, title: str
) -> train.Trained | None:
    """Says and writes what a grid came to; returns its best model, if there is one.

    Args:
      found: the grid.
      head: what every row and the result begin with.
      values: all flags.
      workdir: where to.
      title: of the picture.
    """
    outputs = found.many.outputs(found.test)
    rows = rows_of(found, outputs, head, workdir)
    results.write_rows(workdir / "results.csv", rows)
    combinations = grid.combine(rows, list(found.plan.hyper))
    ensembles = [ensemble(found, outputs, combination.rows) for combination in combinations]
    everything = ensemble(found, outputs, range(len(rows)))
    best = grid.choose_best(rows, combinations)
    print("\n".join(results.table([told(*pair) for pair in zip(combinations, ensembles, strict=True)])))
    grid.draw(rows, found.plan.varying, workdir / "accuracies.png", f"{title}, {len(rows)} models")
    answer = {
        **head,
        "models": len(rows),
        "varying": found.plan.varying,
        "combinations": [grid.summarize(*pair) for pair in zip(combinations, ensembles, strict=True)],
        "best": None if best is None else {"number": best, **rows[best]},
        "test_accuracy": None if best is None else rows[best]["test_accuracy"],
        "ensemble_test_accuracy": everything,
        "way": found.many.way,
        "why": found.many.why,
        "seconds": round(found.seconds, 2),
        "flags": values,
        "versions": VERSIONS,
        "device": jax.devices()[0].device_kind,
    }
    train.write_result(workdir / "result.json", answer)
    if everything is not None:
        print(f"all {len(rows)} models together: test_accuracy {everything:.4f}")
    print(f"{found.seconds:.1f} s; results in {workdir}")
    if best is None:
        print("no best model: nothing was validated, or of every combination a model was halted")
        return None
    one = found.many.trained[best]
    interop.safetensors.save(workdir / "weights.safetensors", one.train_state.params, one.train_state.state)
    train.metrics_log.write(workdir / "metrics.jsonl", epochs_of(one, rows[best]["seconds"]))
    which = " ".join(f"{name}={rows[best][name]}" for name in found.plan.varying)
    print(f"best by validation: {which}, {rows[best]['validation_accuracy']:.4f}; in weights.safetensors")
    print(f"test_accuracy: {rows[best]['test_accuracy']:.4f}")
    return one


def rows_of(found: Found, outputs: np.ndarray, head: Mapping[str, Any], workdir: Path) -> list[dict[str, Any]]:
    """Returns a row for each model: what varies, what came out, and the command that repeats it alone.

    Args:
      found: the grid.
      outputs: what its models make of the test split, `(models, samples, classes)`.
      head: what every row begins with, after what varies.
      workdir: below which the commands put their results.
    """
    loss = jax.jit(found.loss)
    rows = []
    for number, (cell, one, on_test) in enumerate(zip(found.plan.cells, found.many.trained, outputs, strict=True)):
        learnt = found.split.take(one.model.samples) if one.model.samples is not None else found.split
        varies = {**cell.hyper, "seed": cell.seed, "fold": cell.fold}
        test_loss = np.asarray(loss(jnp.asarray(on_test), jnp.asarray(found.test.labels))).mean(dtype=np.float64)
        row = {
            **{name: varies[name] for name in found.plan.varying},
            **head,
            "seed": cell.seed,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(one.train_state.params)),
            "train_accuracy": share_right(found.many.apply(one, learnt), learnt.labels),
            "validation_loss": one.history[-1, 2],
            "validation_accuracy": one.history[-1, 3],
            "test_accuracy": share_right(on_test, found.test.labels),
            "test_loss": test_loss,
            "halted": one.halted,
            "seconds": round(found.seconds / len(outputs), 3),
            "device": jax.devices()[0].device_kind,
            **VERSIONS,
            "params_sha256": train.checkpoint.digest_of_tree(one.train_state.params),
            "command": command_of(varies, workdir / f"alone{number}"),
        }
        rows.append({name: plain(value) for name, value in row.items()})
    return rows


def share_right(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of samples whose highest output is the label's."""
    return float((outputs.argmax(axis=-1) == labels).mean())


def ensemble(found: Found, outputs: np.ndarray, chosen: Sequence[int]) -> float | None:
    """Returns the test accuracy of the mean of some models' probabilities; those that were halted are left out."""
    whole = [number for number in chosen if found.many.trained[number].halted is None]
    return share_right(train.mean_probabilities(outputs[whole]), found.test.labels) if whole else None


def told(combination: grid.Combination, together: float | None) -> dict[str, Any]:
    """Returns a combination's row in the printed table."""
    return {
        **combination.hyper,
        "models": len(combination.rows),
        **({"halted": combination.halted} if combination.halted else {}),
        **{name.replace("_", " "): combination.told(name) for name in grid.ACCURACIES},
        "test, together": "" if together is None else f"{together:.4f}",
    }


def command_of(varies: Mapping[str, Any], workdir: Path) -> str:
    """Returns the command that trains one model alone: the flags that were given, with its own values."""
    given = [flag for held in flags.FLAGS.flags_by_module_dict().values() for flag in held if flag.present]
    kept = [flag.serialize() for flag in given if flag.name not in NOT_REPEATED and flag.name not in varies]
    own = [f"--{name}={value}" for name, value in varies.items() if value is not None]
    return shlex.join(["python", "-m", "experiments.classify", *kept, *own, f"--workdir={workdir}"])


def epochs_of(one: train.Trained, seconds: float) -> list[dict[str, Any]]:
    """Returns a model's history as a run alone would tell it; of the seconds each epoch has an equal share."""
    told = []
    for number, row in enumerate(one.history, 1):
        loss, accuracy, *validation = map(plain, row)
        told.append(train.Epoch(number, loss, accuracy, *validation, seconds=seconds / len(one.history))._asdict())
    return told


def row_of_run(result: Mapping[str, Any], workdir: Path) -> dict[str, Any]:
    """Returns the row of a single run: what its result has beside lists and mappings, and the command to repeat it."""
    fold = {"fold": flags.FLAGS["fold"].value}
    row = {name: value for name, value in result.items() if not isinstance(value, list | dict)}
    return {**row, **result["versions"], "command": command_of({"seed": result["seed"]} | fold, workdir / "again")}


def plain(value: Any) -> Any:
    """Returns a number as Python has it, None where it is not finite."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
