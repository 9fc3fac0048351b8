"""Few rows instead of their products: the same moment, the same errors, as good codes."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.exact_sums import ExactSums
from edgeq.numerics.rounding.factors import BlockFeedback, feedback
from edgeq.numerics.rounding.few_rows import COLUMNS_A_ROW, LEAST_COLUMNS, RowFeedback, most_rows
from edgeq.numerics.rounding.half_matrix import HalfMatrix, panels_of
from edgeq.numerics.rounding.moment import Moment, Seen
from edgeq.numerics.rounding.with_feedback import output_error, rounded_with_error
from edgeq.numerics.saturation import neighbours

FREE = Codes(-127, 127, (), None)


def codes_of_rows(groups: int, count: int, size: int, seed: int = 0) -> AnyArray:
    """Rows that move together, as inputs do; the first three columns are always 0."""
    chance = np.random.default_rng(seed)
    mixed = chance.normal(size=(groups, count, 8)) @ chance.normal(size=(groups, 8, size)) * 20 + 40
    rows = np.clip(np.rint(mixed), 0, 255).astype(np.int16)
    rows[:, :, :3] = 0
    return rows


def moment(rows: AnyArray, few: int, centred: bool) -> HalfMatrix:
    sums = ExactSums(rows.shape[0], panels_of(rows.shape[2]), few=few)
    sums.add(rows)
    return Moment(sums, {"one": Seen(rows.sum(1, dtype=np.int64), rows.shape[1])}, 0.01).half(["one"] if centred else [])


def test_a_row_is_kept_where_products_take_longer() -> None:
    assert most_rows(LEAST_COLUMNS - 1) == 0
    assert most_rows(LEAST_COLUMNS) == LEAST_COLUMNS // COLUMNS_A_ROW


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("groups", "count", "size"), [(1, 1, 40), (1, 20, 300), (2, 30, 150)])
def test_the_moment_is_the_same(groups: int, count: int, size: int, centred: bool) -> None:
    rows = codes_of_rows(groups, count, size)
    few, many = moment(rows, count, centred), moment(rows, 0, centred)
    assert few.rows is not None
    assert many.rows is None
    assert np.array_equal(few.dense(), many.dense())
    assert np.array_equal(few.diagonal(), many.diagonal())
    np.testing.assert_allclose(np.swapaxes(few.centred_rows(), 1, 2) @ few.centred_rows(), many.dense(), atol=1e-9)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("groups", "count", "size"), [(1, 1, 40), (1, 20, 300), (2, 30, 150)])
def test_the_factors_are_those_of_the_matrix(groups: int, count: int, size: int, centred: bool) -> None:
    rows = codes_of_rows(groups, count, size)
    few, many = (feedback(moment(rows, most, centred)) for most in (count, 0))
    (by_rows,), (by_columns,) = few.blocks, many.blocks
    assert isinstance(by_rows, RowFeedback)
    assert isinstance(by_columns, BlockFeedback)
    assert np.array_equal(by_rows.order, by_columns.order)
    assert np.array_equal(few.damping, many.damping)
    np.testing.assert_allclose(by_rows.pivots, by_columns.pivots, rtol=1e-3)
    upper = np.swapaxes(by_columns.lower, 1, 2)
    np.testing.assert_allclose(np.triu(by_rows.inner(0, size), 1), np.triu(upper, 1), atol=1e-3)
    rest = np.random.default_rng(1).normal(size=(groups, 5, size)).astype(np.float32)
    np.testing.assert_allclose(by_rows.damped(rest), by_columns.damped(rest), rtol=1e-3)


@pytest.mark.parametrize("limited", [False, True])
def test_codes_are_as_good_as_those_from_the_matrix(limited: bool) -> None:
    rows, size = codes_of_rows(1, 24, 260), 260
    weight = np.random.default_rng(2).normal(size=(1, 300, size)).astype(np.float32)
    scale = np.full((1, 300), 0.03, np.float32)
    codes = Codes(-127, 127, neighbours((size,)), 128) if limited else FREE
    few, many = moment(rows, 24, True), moment(rows, 0, True)
    found, error = rounded_with_error(weight, feedback(few), scale, codes)
    other, _ = rounded_with_error(weight, feedback(many), scale, codes)
    nearest = output_error(weight, codes.all_nearest(weight / scale[..., None]), scale, many.dense())
    exact = output_error(weight, found, scale, many.dense())
    np.testing.assert_allclose(error, exact, rtol=0.05, atol=0.01 * nearest.mean())
    assert exact.sum() < 1.03 * output_error(weight, other, scale, many.dense()).sum()
    assert exact.sum() < 0.2 * nearest.sum()


def test_rows_are_multiplied_once_they_are_many_in_whatever_parts_they_come() -> None:
    rows = codes_of_rows(1, 50, 40)

    def sums(*pieces: AnyArray, few: int) -> ExactSums:
        found = ExactSums(1, panels_of(40), few=few)
        for piece in pieces:
            found.add(piece)
        return found

    wanted = sums(rows, few=0).parts[0]
    for first, second in ((rows[:, :20], rows[:, 20:]), (rows[:, :45], rows[:, 45:]), (rows[:, :3], rows[:, 3:])):
        merged = sums(first, few=40)
        merged.merge(sums(second, few=40))
        assert merged.kept_rows() is None
        assert np.array_equal(merged.parts[0], wanted)
    assert np.array_equal(sums(rows[:, :40], rows[:, 40:], few=40).parts[0], wanted)


def test_rows_that_are_kept_do_not_tell_how_they_came() -> None:
    rows = codes_of_rows(2, 30, 40)
    at_once, merged, last = (ExactSums(2, panels_of(40), few=30) for _ in range(3))
    at_once.add(rows)
    merged.add(rows[:, 17:])
    last.add(rows[:, :17])
    merged.merge(last)
    first, second = at_once.kept_rows(), merged.kept_rows()
    assert first is not None
    assert second is not None
    assert np.array_equal(first, second)


def test_no_rows_at_all_are_a_moment_of_zeros() -> None:
    sums = ExactSums(1, panels_of(40), few=5)
    assert sums.kept_rows() is None
    assert not sums.parts[0].any()


def test_rows_wider_than_any_matrix_that_is_kept_are_one_block() -> None:
    rows = codes_of_rows(1, 9, 120)
    sums = ExactSums(1, panels_of(120, widest=50), few=9)
    sums.add(rows)
    found = feedback(HalfMatrix(1, 120, sums.panels, (), 1.0, (), sums.kept_rows()))
    assert [block.order.shape[1] for block in found.blocks] == [120]
