"""Coordinate descent on codes, against a slow search over single moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.codebook_codes import TableCodes
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.descent import descend, error_of, least_squares
from edgeq.numerics.rounding.factors import feedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.rounding.with_feedback import rounded_with_error
from edgeq.numerics.saturation import neighbours, worst_pairs

PLAIN = Codes(-7, 7, (), None)


def _problem(groups: int = 1, outputs: int = 6, columns: int = 40, seed: int = 0) -> tuple[F32, F64, F32]:
    """A weight, the moment of inputs that move together, and a step for each row."""
    chance = np.random.default_rng(seed)
    mixed = chance.normal(size=(groups, columns, columns)) * np.geomspace(1, 0.05, columns)[:, None]
    inputs = chance.normal(size=(groups, 3 * columns, columns)) @ mixed
    weight = chance.normal(size=(groups, outputs, columns)).astype(np.float32)
    moment = np.swapaxes(inputs, 1, 2) @ inputs / inputs.shape[1]
    return weight, moment, (np.abs(weight).max(-1, keepdims=True) / 7).astype(np.float32)


def _error(weight: F32, codes: F32, steps: F32, moment: F64) -> F64:
    rest = weight.astype(np.float64) - codes.astype(np.float64) * steps
    return np.asarray(np.einsum("gck,gkl,gcl->gc", rest, moment, rest))


def _best_single_move(weight: F32, codes: F32, steps: F32, moment: F64, values: list[float]) -> float:
    """The largest share by which changing one code lowers the error of its row."""
    best, now = 0.0, _error(weight, codes, steps, moment)
    for group, row, column in np.ndindex(codes.shape):
        for value in values:
            tried = codes.copy()
            tried[group, row, column] = value
            best = max(best, 1 - _error(weight, tried, steps, moment)[group, row] / now[group, row])
    return best


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("own_steps", [False, True])
def test_no_single_move_lowers_the_error_any_further(groups: int, own_steps: bool) -> None:
    weight, moment, steps = _problem(groups, columns=12)
    if own_steps:
        steps = (steps * np.random.default_rng(1).integers(1, 4, weight.shape) / 2).astype(np.float32)
    start = PLAIN.all_nearest(weight / steps)
    found = descend(weight, moment.astype(np.float32), steps, PLAIN, start)
    assert np.all(_error(weight, found, steps, moment) <= _error(weight, start, steps, moment) * (1 + 1e-6))
    assert _error(weight, found, steps, moment).sum() < 0.7 * _error(weight, start, steps, moment).sum()
    assert _best_single_move(weight, found, steps, moment, [float(code) for code in range(-7, 8)]) < 1e-3


def test_it_goes_on_where_error_feedback_ends() -> None:
    weight, moment, steps = _problem(columns=120, outputs=16)
    fed_back, _ = rounded_with_error(weight, feedback(HalfMatrix.of(moment)), steps[..., 0], PLAIN)
    found = descend(weight, moment.astype(np.float32), steps, PLAIN, fed_back)
    before, after = (_error(weight, one, steps, moment).sum() for one in (fed_back, found))
    assert after < 0.95 * before


def test_neighbours_keep_to_their_limit() -> None:
    weight, moment, _ = _problem(columns=16)
    codes = Codes(-127, 127, neighbours((4, 2, 2)), 128)
    steps = (np.abs(weight).max(-1, keepdims=True) / 100).astype(np.float32)
    start = codes.all_nearest(weight / steps)
    found = descend(weight, moment.astype(np.float32), steps, codes, start)
    free = descend(weight, moment.astype(np.float32), steps, replace(codes, limit=None), start)
    assert worst_pairs(free, codes.pairs).max() > 128
    assert worst_pairs(found, codes.pairs).max() <= 128
    assert np.all(_error(weight, found, steps, moment) <= _error(weight, start, steps, moment) * (1 + 1e-6))


def test_elements_of_a_table_and_pruned_weights() -> None:
    weight, moment, steps = _problem(columns=10)
    kept = np.random.default_rng(2).random(weight.shape) < 0.6
    table = np.array([-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6, 8.0])[None, None]
    codes = TableCodes(-6, 8, (), None, table=table, kept=kept)
    found = descend(weight, moment.astype(np.float32), steps, codes, codes.all_nearest(weight / steps))
    assert np.isin(found, table).all()
    assert not found[~kept].any()


def test_the_same_rows_alone_or_among_others() -> None:
    weight, moment, steps = _problem(outputs=9)
    start, seen = PLAIN.all_nearest(weight / steps), moment.astype(np.float32)
    whole = descend(weight, seen, steps, PLAIN, start)
    alone = descend(weight[:, 4:5], seen, steps[:, 4:5], PLAIN, start[:, 4:5])
    assert np.array_equal(whole[:, 4:5], alone)


@pytest.mark.parametrize("shared", [False, True])
def test_no_other_factor_has_less_error(shared: bool) -> None:
    weight, moment, steps = _problem()
    seen, new = moment.astype(np.float32), PLAIN.all_nearest(weight / steps) * steps * np.float32(1.1)
    found = least_squares(weight, new, seen, shared)
    assert (len(set(found.reshape(-1).tolist())) == 1) == shared
    least = error_of(weight, new * found[..., None], seen)
    for factor in (0.97, 1.03):
        other = error_of(weight, new * found[..., None] * np.float32(factor), seen)
        assert least.sum() < other.sum() if shared else np.all(least < other)


def test_a_row_of_zeros_keeps_its_scale() -> None:
    weight, moment, _ = _problem()
    assert np.all(least_squares(weight, np.zeros_like(weight), moment.astype(np.float32), False) == 1)


def test_steps_of_the_other_sign_move_the_same_codes_the_other_way() -> None:
    weight, moment, steps = _problem(groups=2, seed=4)
    start = np.clip(np.rint(weight / steps), -7, 7).astype(np.float32)
    found = descend(weight, moment.astype(np.float32), steps, PLAIN, start)
    turned = descend(weight, moment.astype(np.float32), -steps, PLAIN, -start)
    assert (found != start).any()
    assert np.array_equal(turned, -found)
