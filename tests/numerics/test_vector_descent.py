"""Tables of vectors under a moment: better than nearest entries, and within all limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeq.numerics.codebook import Grain, encode, grain_of_rows, parse_grain
from edgeq.numerics.codebook_descent import WeightRows, total_error
from edgeq.numerics.codebook_fit import fit_codebook
from edgeq.numerics.codebook_vectors import fit_vectors
from edgeq.numerics.pruning import kept_weights, parse_prune
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.saturation import worst_pairs
from tests.numerics.test_codebook_fit import LIMITED, problem

FREE = Codes(-127, 127, (), None)


@pytest.mark.parametrize(("word", "bits"), [("vector:2", 4), ("vector:4", 6), ("vector:3", 6)])
def test_feedback_beats_the_nearest_entries(word: str, bits: int) -> None:
    weights = problem(groups=2, channels=40, codes=FREE)
    fit, plain = (fit_vectors(one, parse_grain(word), bits) for one in (weights, replace(weights, moment=None)))
    assert total_error(weights, fit.codes, fit.scale) < 0.6 * total_error(weights, plain.codes, plain.scale)


def test_pairs_are_no_worse_than_numbers_of_as_many_bits() -> None:
    weights = problem(channels=200, codes=FREE)
    pairs, numbers = fit_vectors(weights, parse_grain("vector:2"), 4), fit_codebook(weights, parse_grain("tensor"), 2)
    assert total_error(weights, pairs.codes, pairs.scale) < total_error(weights, numbers.codes, numbers.scale)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("codes", [LIMITED, replace(LIMITED, power_of_two=True)])
def test_tables_are_whole_small_and_keep_the_limit(codes: Codes, size: int) -> None:
    weights = problem(channels=32, codes=codes)
    fit = fit_vectors(weights, Grain(None, size), 4)
    book = encode(fit.codes[0].astype(np.int8), Grain(None, size), 0, 4)
    assert book is not None and np.array_equal(fit.codes, np.rint(fit.codes))
    assert worst_pairs(fit.codes, LIMITED.pairs).max() <= 128
    if codes.power_of_two:
        assert np.array_equal(np.log2(fit.scale), np.rint(np.log2(fit.scale)))


def test_scales_stay_above_what_biases_need_and_equal_where_shared() -> None:
    weights = problem(channels=16, codes=FREE)
    least = np.full((1, 16), 0.5, np.float32)
    assert (fit_vectors(replace(weights, least=least), parse_grain("vector:2"), 4).scale >= least).all()
    assert np.ptp(fit_vectors(replace(weights, shared=True), parse_grain("vector:2"), 4).scale) == 0


def test_vectors_that_were_pruned_whole_are_zero() -> None:
    weights = problem(channels=32, codes=FREE)
    kept = kept_weights(weights.rows, weights.importance, parse_prune("0.7"))
    fit = fit_vectors(replace(weights, codes=replace(FREE, kept=kept), zero=True), parse_grain("vector:2"), 4)
    assert not fit.codes.reshape(-1, 2)[~kept.reshape(-1, 2).any(1)].any()


def test_inputs_that_are_always_zero_and_rows_of_zeros_do_no_harm() -> None:
    weights = problem(channels=16, codes=FREE)
    assert weights.moment is not None
    moment, rows = weights.moment.copy(), weights.rows.copy()
    moment[:, :6], moment[:, :, :6], rows[:, 3] = 0, 0, 0
    still = WeightRows(rows, np.einsum("gkk->gk", moment), moment, FREE, weights.least, False, False)
    fit = fit_vectors(still, parse_grain("vector:2"), 5)
    assert np.isfinite(fit.scale).all() and (fit.scale > 0).all() and np.isfinite(fit.codes).all()


def test_the_same_input_gives_the_same_vectors() -> None:
    first, second = (fit_vectors(problem(channels=32), parse_grain("vector:4"), 5) for _ in range(2))
    assert np.array_equal(first.codes, second.codes) and np.array_equal(first.scale, second.scale)


@pytest.mark.parametrize(
    ("word", "bits", "columns", "found"),
    [
        ("vector:4", 8, 9, ("tensor", 2)),
        ("vector:2", 5, 27, ("tensor", 3)),
        ("vector:2", 4, 144, ("vector:2", 4)),
        ("channel", 3, 9, ("channel", 3)),
    ],
)
def test_rows_that_do_not_divide_get_numbers_of_as_many_bits(word: str, bits: int, columns: int, found: tuple[str, int]) -> None:
    grain, width = grain_of_rows(parse_grain(word), bits, columns)
    assert (str(grain), width) == found
