"""Data-aware rounding against the same recursion written out with the inverse Hessian, and against
nearest rounding.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import DAMPING, feedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.rounding.recursion import BLOCK
from edgeq.numerics.rounding.scales import scales_for
from edgeq.numerics.rounding.with_feedback import FACTORS, output_error, round_with_feedback, rounded_best, rounded_with_error
from edgeq.numerics.saturation import neighbours, worst_pairs

FREE = Codes(-127, 127, (), None)
COARSE = Codes(-7, 7, (), None)


def moments(groups: int, size: int, seed: int, rows: int = 0) -> F64:
    """Second moments of correlated inputs."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(groups, rows or 3 * size, size)) @ rng.normal(size=(groups, size, size)) + rng.normal(size=(groups, 1, size))
    return np.asarray(np.swapaxes(x, 1, 2) @ x / x.shape[1])


def problem(groups: int, channels: int, size: int, seed: int, codes: Codes = COARSE) -> tuple[F32, F64, F32]:
    weight = np.random.default_rng(seed).normal(size=(groups, channels, size)).astype(np.float32)
    moment = moments(groups, size, seed + 1)
    return weight, moment, scales_for(weight, np.einsum("gkk->gk", moment), codes, False)


def optq(weight: F64, moment: F64, scale: F64, codes: Codes) -> F64:
    """One group, as arXiv:2210.17323 has it: round a column, add its error times a row of the
    inverse to the columns after it.
    """
    size = len(moment)
    order = np.argsort(-np.diag(moment), kind="stable")
    damped = moment + np.eye(size) * DAMPING * np.diag(moment).mean()
    inverse = np.linalg.inv(damped[np.ix_(order, order)])
    upper = np.linalg.cholesky(inverse).T
    left, result = weight[:, order].copy(), np.zeros_like(weight)
    for column in range(size):
        code = np.clip(np.rint(left[:, column] / scale), codes.qmin, codes.qmax)
        error = (left[:, column] - code * scale) / upper[column, column]
        left[:, column:] -= np.outer(error, upper[column, column:])
        result[:, order[column]] = code
    return result


@pytest.mark.parametrize(("groups", "channels", "size"), [(1, 5, 1), (1, 6, 9), (3, 2, 12), (1, 4, BLOCK + 5), (1, 3, 2 * BLOCK + 1)])
@pytest.mark.parametrize("codes", [FREE, COARSE])
def test_equals_the_recursion_with_the_inverse(groups: int, channels: int, size: int, codes: Codes) -> None:
    weight, moment, scale = problem(groups, channels, size, 11, codes)
    found = round_with_feedback(weight, moment, scale, codes)
    nearest = np.clip(np.rint(weight / scale[..., None]), codes.qmin, codes.qmax)
    for group in range(groups):
        wanted = optq(weight[group].astype(np.float64), moment[group], scale[group].astype(np.float64), codes)
        fell_back = (found[group] == nearest[group]).all(-1)
        assert np.array_equal(found[group][~fell_back], wanted[~fell_back])
    assert size == 1 or not np.array_equal(found, nearest)


@settings(max_examples=60)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 20), st.integers(0, 10**6), st.booleans())
def test_never_worse_than_nearest(groups: int, channels: int, size: int, seed: int, coarse: bool) -> None:
    codes = COARSE if coarse else FREE
    weight, moment, scale = problem(groups, channels, size, seed, codes)
    found = round_with_feedback(weight, moment, scale, codes)
    nearest = codes.fit(np.rint(weight / scale[..., None]))
    assert np.all(output_error(weight, found, scale, moment) <= output_error(weight, nearest, scale, moment))
    assert np.array_equal(found, np.clip(np.rint(found), codes.qmin, codes.qmax))


def test_gains_what_correlated_inputs_offer() -> None:
    weight, moment, scale = problem(1, 16, 64, 3)
    nearest = np.clip(np.rint(weight / scale[..., None]), -7, 7)
    found = round_with_feedback(weight, moment, scale, COARSE)
    assert output_error(weight, found, scale, moment).sum() < 0.5 * output_error(weight, nearest, scale, moment).sum()


def test_error_is_that_of_the_outputs() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(50, 6))
    weight, scale = rng.normal(size=(1, 3, 6)).astype(np.float32), np.full((1, 3), 0.25, np.float32)
    codes = np.rint(weight / 0.25)
    outputs = (weight[0].astype(np.float64) - codes[0] * 0.25) @ x.T
    wanted = np.square(outputs).mean(1)
    np.testing.assert_allclose(output_error(weight, codes, scale, (x.T @ x / 50)[None])[0], wanted, rtol=1e-6)


@pytest.mark.parametrize("kernel", [(24,), (3, 3, 3), (7, 2)])
def test_neighbours_never_exceed_the_limit(kernel: tuple[int, ...]) -> None:
    codes = Codes(-127, 127, neighbours(kernel), 128)
    size = int(np.prod(kernel))
    weight, moment, _ = problem(1, 6, size, 5, codes)
    tight = np.abs(weight).max(-1) / 127  # half of the codes would be too large for their neighbours
    found = round_with_feedback(weight, moment, tight, codes)
    assert worst_pairs(found, codes.pairs).max() <= 128
    assert worst_pairs(np.rint(weight / tight[..., None]), codes.pairs).max() > 128


@pytest.mark.parametrize(
    "moment", [np.zeros((1, 4, 4)), np.diag([1.0, 0, 0, 0])[None], np.full((1, 4, 4), 1e-20), np.full((1, 4, 4), 1e20)]
)
def test_inputs_that_hardly_vary_are_no_problem(moment: F64) -> None:
    weight = np.random.default_rng(0).normal(size=(1, 3, 4)).astype(np.float32)
    scale = np.full((1, 3), 0.1, np.float32)
    found = round_with_feedback(weight, moment, scale, FREE)
    assert np.isfinite(found).all()
    assert np.abs(found * 0.1 - weight).max() < 1


# ------------------------------------------------------------------ scales


def slow_scale(row: F32, importance: F64, codes: Codes) -> float:
    """The least weighted error over the same candidates, one by one."""
    pairs = [(a, b) for group in codes.pairs for a, b in group.tolist()]
    floor = max((abs(row[a]) + abs(row[b]) for a, b in pairs if row[a] * row[b] > 0), default=0.0)
    floor = np.float32(floor) / np.float32(codes.limit - 1) if codes.limit else np.float32(0)
    best, chosen = np.inf, np.float32(0)
    for factor in np.linspace(1.0, 0.6, 17):
        scale = max(np.float32(np.abs(row).max() / np.float32(codes.qmax)) * np.float32(factor), floor)
        rounded = np.clip(np.rint(row / scale), codes.qmin, codes.qmax) * scale
        error = float((np.square(rounded.astype(np.float64) - row) * importance).sum())
        if error < best * (1 - 1e-9):
            best, chosen = error, scale
    return float(chosen)


@pytest.mark.parametrize("codes", [FREE, COARSE, Codes(-127, 127, neighbours((12,)), 128)])
def test_scales_have_the_least_weighted_error(codes: Codes) -> None:
    rng = np.random.default_rng(4)
    weight = rng.standard_t(3, size=(2, 5, 12)).astype(np.float32)
    importance = rng.uniform(0.1, 3, size=(2, 12))
    found = scales_for(weight, importance, codes, False)
    for group in range(2):
        wanted = [slow_scale(row, importance[group], codes) for row in weight[group]]
        np.testing.assert_allclose(found[group], wanted, rtol=1e-5)


def test_a_shared_scale_has_the_least_sum_of_errors() -> None:
    rng = np.random.default_rng(6)
    weight = rng.normal(size=(2, 3, 8)).astype(np.float32)
    found = scales_for(weight, np.ones((2, 8)), COARSE, True)
    assert len(set(found.reshape(-1).tolist())) == 1

    def total(scale: float) -> float:
        return float(np.square(np.clip(np.rint(weight / scale), -7, 7) * scale - weight).sum())

    spans = np.abs(weight).max() / 7 * np.geomspace(1, 1 / 16, 33)
    assert total(float(found[0, 0])) == pytest.approx(min(total(span) for span in spans), rel=1e-4)


def test_rows_of_zeros_get_a_scale_that_divides() -> None:
    weight = np.zeros((1, 2, 4), np.float32)
    weight[0, 1] = 1
    found = scales_for(weight, np.ones((1, 4)), FREE, False)
    assert found[0, 0] == 1.0
    assert round_with_feedback(weight, np.eye(4)[None], found, FREE)[0, 0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("shared", [False, True])
def test_every_row_takes_the_scale_that_feedback_leaves_the_least_error(shared: bool) -> None:
    weight, moment, scale = problem(2, 5, 24, seed=3)
    tried = [scale, *(scale * np.float32(factor) for factor in FACTORS)]
    chosen, codes = rounded_best(weight, feedback(HalfMatrix.of(moment)), tried, COARSE, shared=shared)
    errors = np.stack([output_error(weight, round_with_feedback(weight, moment, one, COARSE), one, moment) for one in tried])
    best = errors.sum((1, 2)).min() if shared else errors.min(0)
    got = output_error(weight, codes, chosen, moment)
    np.testing.assert_allclose(got.sum() if shared else got, best, rtol=1e-3)
    assert shared or (got < 0.95 * errors[0]).any()


def test_a_single_scale_changes_nothing() -> None:
    weight, moment, scale = problem(1, 4, 16, seed=5)
    passed_on = feedback(HalfMatrix.of(moment))
    chosen, codes = rounded_best(weight, passed_on, [scale], COARSE, shared=False)
    np.testing.assert_array_equal(chosen, scale)
    np.testing.assert_array_equal(codes, rounded_with_error(weight, passed_on, scale, COARSE)[0])
