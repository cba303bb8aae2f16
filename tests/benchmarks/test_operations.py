"""Single operations: every case of small ones agrees between fnn, lax and, where it is installed, PyTorch."""

import importlib.util

import numpy as np
import pytest

from benchmarks.agreement import DisagreementError
from benchmarks.measure import Plan
from benchmarks.operations import in_jax
from benchmarks.operations.grid import (
    IN_SCAN,
    OPERATIONS,
    BatchNormalization,
    Convolution,
    Looped,
    Operation,
    Pool,
    cases_of,
    make_operands,
)
from benchmarks.suite_operations import measure_case, prepare_operation

SMALL = [
    Convolution(2, 6, 4, 6, 3),
    Convolution(2, 7, 4, 6, 5, strides=2, groups=2),
    Convolution(2, 6, 4, 6, 1, strides=2),
    Looped(Convolution(2, 5, 3, 4, 3)),
    Pool("max", 2, 6, 3, 2, 2),
    Pool("max", 2, 7, 3, 3, 2, 1),
    Pool("average", 2, 6, 3, 2, 2),
    BatchNormalization(4, 3, 2),
]


@pytest.mark.parametrize("operation", SMALL, ids=str)
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_all_sides_agree(operation: Operation) -> None:
    sides = ["fnn", "plain", *(["torch"] if importlib.util.find_spec("torch") else [])]
    for case in cases_of(operation):
        prepared = prepare_operation("small", operation, case, sides)
        assert prepared.left_out == {}
        assert set(prepared.runs) == set(sides) - ({"torch"} if case == IN_SCAN else set())
        assert max(prepared.differences.values()) < 1e-5


def test_a_wrong_operation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lax = in_jax._in_lax
    monkeypatch.setattr(in_jax, "_in_lax", lambda operation: lambda *inputs: 1.001 * lax(operation)(*inputs))
    with pytest.raises(
        DisagreementError, match=r"values .* of small, weight_gradient differ between plain and fnn by 0\.001"
    ):
        prepare_operation("small", SMALL[0], "weight_gradient", ["fnn", "plain"])


def test_gradients_are_of_the_input_and_of_the_kernel() -> None:
    operands = make_operands(SMALL[0])
    for case, like in (("input_gradient", 0), ("weight_gradient", 1)):
        made = in_jax.make("plain", SMALL[0], case, operands)
        (gradient,) = made.read(made.run())
        assert gradient.shape == operands.inputs[like].shape
        # ⟨gradient, operand⟩ = ⟨cotangent, output⟩: the operation is linear in each operand.
        forward = in_jax.make("plain", SMALL[0], "forward", operands)
        (y,) = forward.read(forward.run())
        assert np.vdot(gradient, operands.inputs[like]) == pytest.approx(np.vdot(operands.cotangent, y), rel=1e-4)


def test_a_measurement_has_every_side() -> None:
    prepared = prepare_operation("small", SMALL[0], "forward", ["fnn", "plain", "linen"])
    measured = measure_case(prepared, Plan(3, 1, 0, 0))
    assert measured[:3] == ("operations", "small", "forward")
    assert {name: len(seconds) for name, seconds in measured.seconds.items()} == {"fnn": 3, "plain": 3}


def test_the_grid_has_what_it_promises() -> None:
    kinds = [type(operation) for operation in OPERATIONS.values()]
    assert kinds.count(Convolution) >= 15
    assert {Convolution, Looped, Pool, BatchNormalization} == set(kinds)
    convolutions = [operation for operation in OPERATIONS.values() if isinstance(operation, Convolution)]
    assert {c.groups for c in convolutions} >= {1, 4, 128}
    assert {c.kernel for c in convolutions} == {1, 3, 5, 7}
    assert {c.strides for c in convolutions} == {1, 2}
