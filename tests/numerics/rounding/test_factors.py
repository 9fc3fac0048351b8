"""Factors of moments: by blocks they are those of the whole, in whatever precision."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.arrays import F64, AnyArray
from edgeq.numerics.rounding import factors, half_matrix
from edgeq.numerics.rounding.factors import DAMPING, TILE, factorize, feedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix


def moment(groups: int, size: int, rows: int, seed: int = 0) -> F64:
    x = np.random.default_rng(seed).normal(size=(groups, rows, size)) + 1
    return np.asarray(np.swapaxes(x, 1, 2) @ x / rows)


@pytest.mark.parametrize(("groups", "size"), [(1, 1), (3, 20), (1, TILE), (1, TILE + 1), (2, 3 * TILE - 7)])
def test_blocked_is_unblocked(groups: int, size: int) -> None:
    matrix = moment(groups, size, 2 * size + 1) + 0.1 * np.eye(size)
    found = matrix.copy()
    factorize(found)
    np.testing.assert_allclose(found, np.linalg.cholesky(matrix), atol=1e-9)


@pytest.mark.parametrize(("groups", "size", "rows"), [(2, 12, 30), (1, 200, 40)])
def test_the_factors_give_the_damped_moment_back(groups: int, size: int, rows: int) -> None:
    matrix = moment(groups, size, rows)
    found = feedback(HalfMatrix.of(matrix))
    (block,) = found.blocks
    damping = DAMPING * np.einsum("gkk->gk", matrix).mean(-1)
    np.testing.assert_allclose(found.damping, damping)
    for group in range(groups):
        lower, order = block.lower[group].astype(np.float64), block.order[group]
        assert np.array_equal(np.sort(np.diag(matrix[group])), np.diag(matrix[group])[order])
        assert np.array_equal(np.diag(lower), np.ones(size))
        whole = lower * block.pivots[group] @ lower.T
        wanted = matrix[group][np.ix_(order, order)] / damping[group] + np.eye(size)
        np.testing.assert_allclose(whole, wanted, atol=2e-5 * wanted.max())


def test_a_wide_moment_has_a_factor_for_each_column_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_matrix.panels_of, "__defaults__", (1, 16))
    matrix = moment(1, 40, 90)
    blocks = feedback(HalfMatrix.of(matrix)).blocks
    assert [(one.first, one.order.shape[1]) for one in blocks] == [(0, 14), (14, 14), (28, 12)]
    alone = feedback(HalfMatrix.of(matrix[:, 14:28, 14:28]))
    order = np.argsort(-np.diag(matrix[0, 14:28, 14:28]), kind="stable")[::-1]
    assert np.array_equal(blocks[1].order[0], order)
    assert np.array_equal(alone.blocks[0].order[0], order)


def test_inputs_that_are_nearly_alike_are_no_problem() -> None:
    """The largest eigenvalue is 1e5 times the damping."""
    x = np.ones((1, 50, 1000)) + 1e-4 * np.random.default_rng(1).normal(size=(1, 50, 1000))
    found = feedback(HalfMatrix.of(np.asarray(np.swapaxes(x, 1, 2) @ x / 50)))
    assert np.isfinite(found.blocks[0].lower).all()
    assert found.blocks[0].pivots.min() > 0.5


def test_a_matrix_that_float32_makes_indefinite_is_factorized_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = feedback(HalfMatrix.of(moment(1, 20, 50)))
    kinds = []

    def refusing(matrix: AnyArray) -> None:
        kinds.append(matrix.dtype)
        if matrix.dtype == np.float32:
            raise np.linalg.LinAlgError
        factorize(matrix)

    monkeypatch.setattr(factors, "factorize", refusing)
    found = feedback(HalfMatrix.of(moment(1, 20, 50)))
    assert kinds == [np.float32, np.float64]
    assert found.blocks[0].lower.dtype == np.float32
    np.testing.assert_allclose(found.blocks[0].lower, wanted.blocks[0].lower, atol=1e-4)


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e-3])
def test_the_covariance_of_inputs_that_hardly_vary_has_factors(spread: float) -> None:
    """What is left of numbers near 50 after centring may be less than nothing."""
    x = 50 + spread * np.random.default_rng(0).normal(size=(300, 64))
    mean = x.mean(0)[None]
    whole = HalfMatrix.of((x.T @ x / 300)[None])
    found = feedback(HalfMatrix(1, 64, whole.panels, whole.parts, 1.0, ((1.0, mean),)))
    assert all(np.isfinite(block.lower).all() and (block.pivots > 0).all() for block in found.blocks)


@pytest.mark.parametrize("groups", [1, 2])
def test_inputs_that_are_always_zero_have_a_factor_of_one(groups: int) -> None:
    matrix, still = moment(groups, 3 * TILE, 900), np.random.default_rng(2).permutation(3 * TILE)[: 2 * TILE - 9]
    matrix[:, still] = matrix[:, :, still] = 0
    (block,) = feedback(HalfMatrix.of(matrix)).blocks
    assert block.alone == TILE
    assert np.array_equal(np.sort(block.order[0, : len(still)]), np.sort(still))
    assert np.array_equal(block.lower[:, :, :TILE], np.broadcast_to(np.eye(3 * TILE)[:, :TILE], (groups, 3 * TILE, TILE)))
    assert np.all(block.pivots[:, :TILE] == 1)


def test_an_input_that_is_constant_is_not_taken_for_one_that_is_zero() -> None:
    """Less its mean nothing is left of it, but for what rounding leaves beside the diagonal."""
    rng = np.random.default_rng(3)
    x = np.concatenate([np.full((1, 500, TILE), 0.1), rng.normal(size=(1, 500, 8))], 2)
    half = HalfMatrix.of(np.asarray(np.swapaxes(x, 1, 2) @ x))
    centred = HalfMatrix(half.groups, half.size, half.panels, half.parts, 1.0, ((500.0, x.mean(1)),))
    assert feedback(centred).blocks[0].alone == 0
