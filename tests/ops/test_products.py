"""The matrix product: as float64's, and its gradient in the matrix however long the rows are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnn import ops


def gradients(x: jax.Array, matrix: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    made, pull = jax.vjp(ops.product, x, matrix)
    return made, *pull(y)


@settings(max_examples=40, deadline=None)
@given(
    before=st.lists(st.integers(1, 7), max_size=3).map(tuple),
    inputs=st.sampled_from([1, 3, 64, 128, 256, 257]),
    features=st.sampled_from([1, 2, 10, 256, 257]),
    dtype=st.sampled_from([jnp.float32, jnp.bfloat16]),
)
def test_as_float64(before: tuple[int, ...], inputs: int, features: int, dtype: jnp.dtype) -> None:
    rng = np.random.default_rng(0)
    shapes = (*before, inputs), (inputs, features), (*before, features)
    given = [jnp.asarray(rng.standard_normal(shape), dtype) for shape in shapes]
    x, matrix, y = (np.asarray(a, np.float64) for a in given)
    rows, rows_y = x.reshape(-1, inputs), y.reshape(-1, features)
    wanted = x @ matrix, y @ matrix.T, rows.T @ rows_y
    sizes = abs(x) @ abs(matrix), abs(y) @ abs(matrix.T), abs(rows.T) @ abs(rows_y)
    for got, exact, size in zip(jax.jit(gradients)(*given), wanted, sizes, strict=True):
        assert got.dtype == dtype
        assert got.shape == exact.shape
        rounding = float(jnp.finfo(dtype).eps) * abs(exact)
        assert (abs(np.asarray(got, np.float64) - exact) <= rounding + 2e-6 * size).all()


@pytest.mark.parametrize(
    ("inputs", "features", "moved"),
    [(512, 10, True), (128, 2, True), (128, 256, True), (512, 1, False), (120, 10, False), (512, 257, False)],
)
def test_rows_of_a_power_of_two_are_moved_first(inputs: int, features: int, moved: bool) -> None:
    x, y = jax.ShapeDtypeStruct((32, inputs), jnp.float32), jax.ShapeDtypeStruct((32, features), jnp.float32)
    matrix = jax.ShapeDtypeStruct((inputs, features), jnp.float32)
    text = jax.jit(gradients).lower(x, matrix, y).compile().as_text() or ""
    assert (f"f32[{inputs},32]{{1,0}}" in text) == moved


def test_a_batch_that_export_leaves_open() -> None:
    batch = jax.export.symbolic_shape("batch, 128")
    gradient = jax.jit(jax.grad(lambda matrix, x: jnp.sum(ops.product(x, matrix))))
    shapes = jax.ShapeDtypeStruct((128, 4), jnp.float32), jax.ShapeDtypeStruct(batch, jnp.float32)
    program = jax.export.export(gradient, platforms=["cpu"])(*shapes)
    np.testing.assert_array_equal(program.call(jnp.ones((128, 4)), jnp.ones((3, 128))), np.full((128, 4), 3))


@pytest.mark.parametrize(("rows", "inputs", "features"), [(0, 128, 3), (4, 0, 3), (4, 128, 0)])
def test_of_nothing(rows: int, inputs: int, features: int) -> None:
    x, matrix, y = jnp.ones((rows, inputs)), jnp.ones((inputs, features)), jnp.ones((rows, features))
    for got, wanted in zip(jax.jit(gradients)(x, matrix, y), (y, x, matrix), strict=True):
        np.testing.assert_array_equal(got, jnp.zeros_like(wanted))


def test_nothing_is_lost_of_what_is_not_finite() -> None:
    x = jnp.ones((4, 128)).at[1, 2].set(jnp.nan).at[2, 5].set(jnp.inf)
    _, _, by_matrix = jax.jit(gradients)(x, jnp.ones((128, 3)), jnp.ones((4, 3)))
    assert jnp.isnan(by_matrix[2]).all()
    assert jnp.isposinf(by_matrix[5]).all()
    assert jnp.isfinite(jnp.delete(by_matrix, np.array([2, 5]), axis=0)).all()
