"""Codebooks for integer layers: few different codes a table, neighbours within their limit, and
less error than plain k-means.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeq.numerics.arrays import F32
from edgeq.numerics.codebook import parse_grain
from edgeq.numerics.codebook_codes import TableCodes
from edgeq.numerics.codebook_descent import WeightRows
from edgeq.numerics.codebook_fit import fit_codebook, fit_reals
from edgeq.numerics.codebook_vectors import fit_vectors
from edgeq.numerics.kmeans import cluster
from edgeq.numerics.pruning import Prune, kept_weights, parse_prune
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.with_feedback import output_error
from edgeq.numerics.saturation import neighbours, worst_pairs
from tests.numerics.rounding.test_with_feedback import moments

LIMITED = Codes(-127, 127, neighbours((24,)), 128)


def problem(groups: int = 1, channels: int = 12, size: int = 24, seed: int = 0, codes: Codes = LIMITED) -> WeightRows:
    rng = np.random.default_rng(seed)
    rows = (rng.standard_t(4, (groups, channels, size)) * rng.uniform(0.2, 3, (groups, channels, 1))).astype(np.float32)
    moment = moments(groups, size, seed + 1)
    return WeightRows(rows, np.einsum("gkk->gk", moment), moment, codes, np.zeros((groups, channels), np.float32), False, False)


def different(codes: F32, grain: str) -> int:
    """The most different codes of one table."""
    rows = codes.reshape(-1, codes.shape[-1])
    run = parse_grain(grain).channels or len(rows)
    return max(len(np.unique(rows[start : start + run])) for start in range(0, len(rows), run))


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("grain", ["tensor", "group:5", "channel"])
def test_tables_have_so_many_entries_and_keep_the_limit(bits: int, grain: str) -> None:
    fit = fit_codebook(problem(), parse_grain(grain), bits)
    assert different(fit.codes, grain) <= 2**bits
    assert np.array_equal(fit.codes, np.clip(np.rint(fit.codes), -127, 127))
    assert worst_pairs(fit.codes, LIMITED.pairs).max() <= 128
    assert np.all(fit.scale > 0)


def test_error_does_not_rise_with_more_bits() -> None:
    weights = problem()
    assert weights.moment is not None
    errors = []
    for bits in (1, 2, 3, 4, 5, 6):
        fit = fit_codebook(weights, parse_grain("tensor"), bits)
        errors.append(float(output_error(weights.rows, fit.codes, fit.scale, weights.moment).sum()))
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("bits", [5, 6])
def test_a_limit_on_neighbours_costs_little(bits: int) -> None:
    """Half of the integers are enough for the entries of a table."""
    weights = problem(channels=32, size=48, codes=Codes(-127, 127, neighbours((48,)), 128))
    assert weights.moment is not None
    free = replace(weights, codes=replace(weights.codes, limit=None))
    fits = [fit_codebook(one, parse_grain("tensor"), bits) for one in (weights, free)]
    limited, unlimited = (output_error(weights.rows, fit.codes, fit.scale, weights.moment).sum() for fit in fits)
    assert limited < 1.1 * unlimited


def test_beats_plain_k_means_of_the_tensor() -> None:
    weights = problem(channels=32, size=48, codes=Codes(-127, 127, (), None))
    assert weights.moment is not None
    table = cluster(weights.rows.reshape(-1), None, 16)
    plain = table[np.abs(weights.rows[..., None] - table).argmin(-1)].astype(np.float32)
    one = np.ones(weights.rows.shape[:2], np.float32)
    before = output_error(weights.rows, plain, one, weights.moment).sum()
    integers = fit_codebook(weights, parse_grain("tensor"), 4)
    reals = fit_reals(weights, parse_grain("tensor"), 4)
    assert output_error(weights.rows, integers.codes, integers.scale, weights.moment).sum() < 0.5 * before
    assert output_error(weights.rows, reals, one, weights.moment).sum() < before
    assert len(np.unique(reals)) <= 16


def test_a_shared_scale_stays_one() -> None:
    fit = fit_codebook(replace(problem(), shared=True), parse_grain("tensor"), 4)
    assert len(np.unique(fit.scale)) == 1


def test_scales_are_powers_of_two_where_they_must_be() -> None:
    weights = problem()
    fit = fit_codebook(replace(weights, codes=replace(LIMITED, power_of_two=True)), parse_grain("tensor"), 4)
    assert np.array_equal(np.log2(fit.scale), np.rint(np.log2(fit.scale)))
    assert different(fit.codes, "tensor") <= 16
    assert worst_pairs(fit.codes, LIMITED.pairs).max() <= 128


def test_scales_respect_what_biases_need() -> None:
    weights = problem()
    least = np.full(weights.rows.shape[:2], 0.5, np.float32)
    assert np.all(fit_codebook(replace(weights, least=least), parse_grain("tensor"), 4).scale >= 0.5)


def test_rows_of_zeros_take_the_scale_of_their_bias() -> None:
    weights = problem()
    weights.rows[0, 3] = 0
    least = np.zeros(weights.rows.shape[:2], np.float32)
    least[0, 3] = 1e-6
    assert fit_codebook(replace(weights, least=least), parse_grain("tensor"), 4).scale[0, 3] == np.float32(1e-6)


def test_pruned_weights_are_exactly_zero_and_the_rest_makes_up_for_them() -> None:
    weights = problem(size=32, codes=Codes(-127, 127, (), None))
    assert weights.moment is not None
    kept = kept_weights(weights.rows, weights.importance, Prune(pattern=(2, 4)))
    pruned = replace(weights, codes=replace(weights.codes, kept=kept), zero=True)
    fit = fit_codebook(pruned, parse_grain("tensor"), 4)
    assert not fit.codes[~kept].any()
    assert different(fit.codes, "tensor") <= 16
    one = np.ones(weights.rows.shape[:2], np.float32)
    assert (
        output_error(weights.rows, fit.codes, fit.scale, weights.moment).sum()
        < output_error(weights.rows, weights.rows * kept, one, weights.moment).sum() * 1.02
    )


def test_vectors_keep_the_limit() -> None:
    fit = fit_vectors(problem(), parse_grain("vector:2"), 4)
    assert len(np.unique(fit.codes.reshape(-1, 2), axis=0)) <= 16
    assert worst_pairs(fit.codes, LIMITED.pairs).max() <= 128


def test_the_same_input_gives_the_same_codes() -> None:
    first, second = (fit_codebook(problem(), parse_grain("group:4"), 3) for _ in range(2))
    assert np.array_equal(first.codes, second.codes)
    assert np.array_equal(first.scale, second.scale)


# ------------------------------------------------------------------ the quantizer


def test_nearest_entries_within_bounds() -> None:
    rng = np.random.default_rng(0)
    table = np.sort(rng.integers(-90, 91, (2, 3, 16)), axis=-1).astype(np.float64)
    table[..., 8] = 0
    table.sort(axis=-1)
    codes = TableCodes(-127, 127, (), None, table=table)
    wanted, low, high = rng.normal(0, 60, (2, 3)), -rng.uniform(1, 90, (2, 3)), rng.uniform(1, 90, (2, 3))
    found = codes.nearest(wanted, low, high)
    for group in range(2):
        for row in range(3):
            allowed = [entry for entry in table[group, row] if low[group, row] <= entry <= high[group, row]]
            assert abs(found[group, row] - wanted[group, row]) == min(abs(entry - wanted[group, row]) for entry in allowed)


# ------------------------------------------------------------------ pruning


def test_a_share_goes_by_what_it_adds() -> None:
    rows = np.array([[[3.0, -1.0, 2.0, 0.5]]], np.float32)
    assert kept_weights(rows, None, Prune(0.5))[0, 0].tolist() == [True, False, True, False]
    assert kept_weights(rows, np.array([[0.01, 100, 1, 1]]), Prune(0.5))[0, 0].tolist() == [False, True, True, False]


def test_n_of_every_m_stay() -> None:
    kept = kept_weights(np.random.default_rng(0).normal(size=(2, 3, 10)).astype(np.float32), None, parse_prune("1:4"))
    assert np.all(kept[..., :8].reshape(2, 3, 2, 4).sum(-1) == 1)
    assert kept[..., 8:].all()


@pytest.mark.parametrize("word", ["", "0", "1", "1.5", "4:2", "0:4", "half"])
def test_other_pruning_words_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="prune is"):
        parse_prune(word)


@pytest.mark.parametrize("column", [0, 1, 77, 126])
def test_a_weight_far_from_all_others_is_seen_in_any_column(column: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is started from some of the columns of a large weight; one such weight decides the
    error of its whole layer.
    """
    monkeypatch.setattr("edgeq.numerics.codebook_fit.SKETCH", 1 << 10)
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 0.05, (1, 32, 128)).astype(np.float32)
    rows[0, 5, column] = 2.0
    inputs = rng.normal(0, 1, (4096, 128))
    inputs[:, column] *= 8  # the input that it reads is large as well
    moment = (inputs.T @ inputs / len(inputs))[None]
    codes = Codes(-127, 127, neighbours((128,)), 128)
    weights = WeightRows(rows, np.einsum("gkk->gk", moment), moment, codes, np.zeros((1, 32), np.float32), False, False)
    fit = fit_codebook(weights, parse_grain("tensor"), 4)
    assert abs(float(fit.codes[0, 5, column] * fit.scale[0, 5]) - 2.0) < 0.2
