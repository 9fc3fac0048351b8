"""K-best rounding: the optimum where it can be enumerated, limits, blocks, and what it leaves."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import Feedback, feedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.rounding.several_ways import BLOCK, best_of_ways, can_search
from edgeq.numerics.rounding.with_feedback import error_under, rounded_with_error
from edgeq.numerics.saturation import neighbours

SHORT = Codes(-8, 7, (), None)


def _problem(columns: int, rows: int, groups: int = 1, seed: int = 0) -> tuple[F32, F64]:
    """Rows, and the moment of inputs that move together."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(groups, 4 * columns, columns // 2)) @ rng.normal(size=(groups, columns // 2, columns))
    seen = mixed + 0.5 * rng.normal(size=mixed.shape)
    return rng.normal(size=(groups, rows, columns)).astype(np.float32), np.swapaxes(seen, 1, 2) @ seen / seen.shape[1]


def _searched(weight: F32, passed_on: Feedback, scale: F32, codes: Codes) -> tuple[F32, F64, F64]:
    """The codes, their errors, and those of error feedback."""
    start, before = rounded_with_error(weight, passed_on, scale, codes)
    found = best_of_ways(weight, passed_on, scale[..., None], codes, start)
    return found, error_under(weight - scale[..., None] * found, passed_on), before


def test_finds_the_best_codes_of_rows_whose_ways_are_all_followed() -> None:
    weight, moment = _problem(4, 20)  # two codes a column: 16 ways
    passed_on, scale = feedback(HalfMatrix.of(moment)), np.full((1, 20), 0.7, np.float32)
    found = best_of_ways(weight, passed_on, scale[..., None], Codes(-1, 0, (), None), np.zeros_like(weight))
    every = np.array(list(itertools.product((-1, 0), repeat=4)), np.float32)
    damped = moment[0] + passed_on.damping[0] * np.eye(4)
    rest = weight[0][:, None] - np.float32(0.7) * every
    best = every[np.einsum("cnk,kl,cnl->cn", rest, damped, rest).argmin(1)]
    assert np.array_equal(found[0], best)


@pytest.mark.parametrize(("columns", "groups"), [(24, 1), (BLOCK + 7, 2), (3 * BLOCK, 1)])
def test_leaves_less_error_than_error_feedback(columns: int, groups: int) -> None:
    weight, moment = _problem(columns, 12, groups, seed=columns)
    passed_on, scale = feedback(HalfMatrix.of(moment)), np.full((groups, 12), 0.3, np.float32)
    found, error, before = _searched(weight, passed_on, scale, SHORT)
    assert np.all(error <= before * 1.0001)
    assert error.sum() < 0.93 * before.sum()
    assert (found == np.rint(found)).all() and found.min() >= -8 and found.max() <= 7


def test_every_column_may_have_its_own_scale() -> None:
    weight, moment = _problem(40, 6, seed=3)
    passed_on = feedback(HalfMatrix.of(moment))
    steps = np.random.default_rng(1).uniform(0.2, 0.4, weight.shape).astype(np.float32)
    start, before = rounded_with_error(weight, passed_on, steps, SHORT)
    found = best_of_ways(weight, passed_on, steps, SHORT, start)
    assert error_under(weight - steps * found, passed_on).sum() < before.sum()


def test_rows_keep_codes_that_no_way_improves() -> None:
    weight, moment = _problem(16, 8, seed=5)
    passed_on = feedback(HalfMatrix.of(moment))
    exact = np.clip(np.rint(weight / 0.4), -8, 7)
    assert np.array_equal(best_of_ways(0.4 * exact, passed_on, np.full((1, 8, 1), 0.4, np.float32), SHORT, exact), exact)


def test_rows_of_one_column_and_of_zeros() -> None:
    weight = np.array([[[0.26], [0.0]]], np.float32)
    passed_on = feedback(HalfMatrix.of(np.ones((1, 1, 1))))
    found = best_of_ways(weight, passed_on, np.full((1, 2, 1), 0.1, np.float32), SHORT, np.zeros_like(weight))
    assert found[0, :, 0].tolist() == [3, 0]


def test_limits_of_neighbours_and_other_codes_are_left_to_error_feedback() -> None:
    passed_on = feedback(HalfMatrix.of(np.eye(8)[None]))
    assert can_search(passed_on, SHORT)
    assert not can_search(passed_on, Codes(-127, 127, neighbours((8,)), 128))
    assert not can_search(passed_on, replace(SHORT, kept=np.ones((1, 1, 8), bool)))
    assert not can_search(feedback(HalfMatrix.of(np.eye(700)[None])), SHORT)
