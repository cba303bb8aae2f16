"""Peers that compute something else are refused before anything is timed."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.agreement import DisagreementError, compare_outputs
from benchmarks.measure import Plan
from benchmarks.nets import BatchNorm, Conv, Dense, GlobalAvgPool, Net, Relu
from benchmarks.peers import Peer, Running, Task, find_peers
from benchmarks.peers.plain import build
from benchmarks.run import Row, run
from benchmarks.suite_nets import prepare_net

NET = Net((Conv(4, 3, padding=1), BatchNorm(), Relu(), GlobalAvgPool(), Dense(10)), (6, 6, 2), 8)
PEERS, _ = find_peers(["fnn", "plain"])


def planted(change: Callable[[Task], Task]) -> dict[str, Peer]:
    """Returns fnn beside a peer that computes something else."""
    return {"fnn": PEERS["fnn"], "wrong": Peer("wrong", lambda task: build(change(task)), None)}


def with_wrong_net(task: Task) -> Task:
    """Leaves out the last activation but keeps all weights."""
    parts = list(task.net.parts)
    parts[2] = parts[2]._replace(layer=(), parts=())
    return task._replace(net=task.net._replace(parts=tuple(parts)))


def test_equal_networks_agree() -> None:
    prepared = prepare_net("small", NET, PEERS)
    assert list(prepared.running) == ["fnn", "plain"]
    assert prepared.left_out == {}
    assert prepared.parameters == 9 * 2 * 4 + 4 + 2 * 4 + 4 * 10 + 10
    agreement = prepared.agreement["plain"]
    assert agreement.loss_difference < 1e-5
    assert agreement.change_difference < 1e-3
    assert agreement.logits_difference is not None
    assert agreement.logits_difference < 1e-5
    assert len(set(agreement.losses)) == 3  # it learns
    assert agreement.losses == sorted(agreement.losses, reverse=True)


def test_a_wrong_network_is_refused_before_anything_is_measured() -> None:
    rows = run([Row("nets", "small", "training_step")], planted(with_wrong_net), Plan(3, 1), nets={"small": NET})
    with pytest.raises(
        DisagreementError,
        match=r"first losses of small differ between wrong and fnn by .*, more than 0\.0003: \[.*\] in wrong",
    ):
        next(rows)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda task: task._replace(learning_rate=task.learning_rate * 1.02), "changes of the loss"),
        (lambda task: task._replace(momentum=0.0), "changes of the loss"),
        (lambda task: task._replace(labels=np.roll(task.labels, 1)), "first losses"),
    ],
)
def test_a_wrong_step_is_refused(change: Callable[[Task], Task], what: str) -> None:
    with pytest.raises(DisagreementError, match=what):
        prepare_net("small", NET, planted(change))


def test_a_wrong_evaluation_is_refused() -> None:
    def batch_moments(task: Task) -> Running:
        running = build(task)
        assert running.infer is not None
        logits = running.infer() * 1.01
        return running._replace(infer=lambda: logits)

    with pytest.raises(
        DisagreementError, match=r"logits of small in evaluation mode differ between wrong and fnn by 0\.01"
    ):
        prepare_net("small", NET, {"fnn": PEERS["fnn"], "wrong": Peer("wrong", batch_moments, None)})


def test_a_peer_that_cannot_run_is_left_out_with_the_reason() -> None:
    def fail(task: Task) -> Running:
        raise RuntimeError("no compiler\nhere")

    prepared = prepare_net("small", NET, {"fnn": PEERS["fnn"], "broken": Peer("broken", fail, None)})
    assert prepared.left_out == {"broken": "RuntimeError: no compiler here"}
    assert list(prepared.running) == ["fnn"]
    with pytest.raises(RuntimeError, match="no compiler"):
        prepare_net("small", NET, {"fnn": Peer("fnn", fail, None)})


def test_values_that_are_not_finite_or_of_another_shape_are_refused() -> None:
    one = np.ones((2, 2), np.float32)
    assert compare_outputs("sum", {"fnn": [one], "a": [one * (1 + 1e-5)]})["a"] == pytest.approx(1e-5, rel=0.1)
    for wrong in (one * np.nan, one * 1.01, np.ones((2, 1), np.float32), np.where(one > 0, np.inf, one)):
        with pytest.raises(DisagreementError, match="output 1"):
            compare_outputs("sum", {"fnn": [one], "a": [wrong]})


def test_forgetting_keeps_what_was_learned() -> None:
    net = Net((Dense(10),), (3,), 4)
    running = prepare_net("tiny", net, {"fnn": PEERS["fnn"]}).running["fnn"]
    before = float(running.step())
    running.forget()
    assert float(running.step()) < before
