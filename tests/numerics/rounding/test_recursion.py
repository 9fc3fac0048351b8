"""Error feedback: rows apart give what they give together, columns may have scales of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeq.numerics.rounding import half_matrix, with_feedback
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import TILE, feedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.rounding.with_feedback import output_error, rounded_with_error
from edgeq.numerics.saturation import neighbours
from tests.numerics.rounding.test_with_feedback import COARSE, FREE, problem

LIMITED = Codes(-127, 127, neighbours((24,)), 128)


@pytest.mark.parametrize("codes", [FREE, COARSE, LIMITED])
def test_rows_a_few_at_a_time_are_rounded_the_same(codes: Codes, monkeypatch: pytest.MonkeyPatch) -> None:
    weight, moment, scale = problem(2, 7, 24, 3, codes)
    passed_on = feedback(HalfMatrix.of(moment))
    kept = np.random.default_rng(0).random(weight.shape) < 0.8
    pruned = Codes(codes.qmin, codes.qmax, codes.pairs, codes.limit, kept=kept)
    for one in (codes, pruned):
        monkeypatch.setattr(with_feedback, "AT_ONCE", 1 << 22)
        whole, error = rounded_with_error(weight, passed_on, scale, one)
        monkeypatch.setattr(with_feedback, "AT_ONCE", 2 * 24 * 2)
        parts, errors = rounded_with_error(weight, passed_on, scale, one)
        assert np.array_equal(whole, parts)
        np.testing.assert_allclose(error, errors, rtol=1e-5)


@pytest.mark.parametrize(("groups", "size"), [(1, 40), (3, 18), (1, 300)])
def test_the_errors_are_those_of_the_outputs(groups: int, size: int) -> None:
    weight, moment, scale = problem(groups, 5, size, 8)
    codes, error = rounded_with_error(weight, feedback(HalfMatrix.of(moment)), scale, COARSE)
    np.testing.assert_allclose(error, output_error(weight, codes, scale, moment), rtol=1e-3)


def test_columns_with_one_scale_each_are_rounded_to_them() -> None:
    """Scales that differ by powers of two from column to column, against the weight and the moment
    brought to one scale: the same codes.
    """
    weight, moment, scale = problem(2, 6, 20, 5)
    powers = np.exp2(np.random.default_rng(1).integers(-2, 3, 20)).astype(np.float32)
    own = scale[..., None] * powers
    found, error = rounded_with_error(weight * powers, feedback(HalfMatrix.of(moment)), own, COARSE)
    assert found.shape == weight.shape
    rest = weight * powers - own * found
    np.testing.assert_allclose(error, np.einsum("gck,gkl,gcl->gc", rest, moment, rest), rtol=1e-3)
    nearest = weight * powers - own * COARSE.all_nearest(weight / scale[..., None])
    assert np.all(error <= np.einsum("gck,gkl,gcl->gc", nearest, moment, nearest))
    assert error.sum() < 0.7 * np.einsum("gck,gkl,gcl->", nearest, moment, nearest)


@pytest.mark.parametrize("same", [True, False])
def test_one_scale_a_row_or_the_same_for_every_column(same: bool) -> None:
    weight, moment, scale = problem(1, 4, 30, 2)
    passed_on = feedback(HalfMatrix.of(moment))
    wide = np.broadcast_to(scale[..., None], weight.shape).copy()
    wide[:, :, 7] *= 1.0 if same else 1.5
    a, b = (rounded_with_error(weight, passed_on, one, COARSE)[0] for one in (scale, wide))
    assert np.array_equal(a, b) == same


def test_blocks_of_columns_cost_what_they_are_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feedback within two blocks only keeps the larger part of what feedback gains."""
    weight, moment, scale = problem(1, 16, 64, 3)
    whole, _ = rounded_with_error(weight, feedback(HalfMatrix.of(moment)), scale, COARSE)
    monkeypatch.setattr(half_matrix.panels_of, "__defaults__", (1, 32))
    halves, _ = rounded_with_error(weight, feedback(HalfMatrix.of(moment)), scale, COARSE)
    nearest = COARSE.all_nearest(weight / scale[..., None])
    together, apart, none = (output_error(weight, one, scale, moment).sum() for one in (whole, halves, nearest))
    assert together < apart < none


@pytest.mark.parametrize("codes", [FREE, COARSE, LIMITED])
def test_inputs_that_are_always_zero_are_rounded_as_with_the_rest(codes: Codes) -> None:
    """What is left out there are products with zeros."""
    size = 300
    weight, moment, scale = problem(2, 7, size, 3, codes)
    still = np.random.default_rng(5).permutation(size)[:200]
    moment[:, still] = moment[:, :, still] = 0
    limits = codes if codes.limit is None else Codes(-127, 127, neighbours((size,)), 128)
    passed_on = feedback(HalfMatrix.of(moment))
    assert passed_on.blocks[0].alone == TILE
    with_all = replace(passed_on, blocks=tuple(replace(block, alone=0) for block in passed_on.blocks))
    for mine, theirs in zip(
        rounded_with_error(weight, passed_on, scale, limits), rounded_with_error(weight, with_all, scale, limits), strict=True
    ):
        assert np.array_equal(mine, theirs)
