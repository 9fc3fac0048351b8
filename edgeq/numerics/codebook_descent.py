"""Under the measured moment, in turns: entries with error feedback, then scales and table entries
by least squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, Indices
from edgeq.numerics.codebook_codes import TableCodes
from edgeq.numerics.rounding import Codes, feedback, output_error, round_weights
from edgeq.numerics.saturation import partners

#: up to so many bits a table is worth more than one start and entries found anew by least squares
COARSE_BITS = 4
ROUNDS, SWEEPS = 3, 3
#: a turn that gains less than this share of the error is the last
LEAST_GAIN = 5e-3


@dataclass(frozen=True, eq=False)
class WeightRows:
    """rows [G, C, K] and what makes an error of theirs matter: importance [G, K], the diagonal of
    moment [G, K, K] (None: only that).

    least: the smallest scale of each row [G, C]. shared: one scale for all rows. zero: whether a
    table must hold 0 exactly.
    """

    rows: F32
    importance: F64
    moment: F64 | None
    codes: Codes
    least: F32
    shared: bool
    zero: bool


@dataclass(frozen=True, eq=False)
class Fit:
    """scale [G, C] and codes [G, C, K], whole numbers: of each table's rows at most 2^bits
    different ones.
    """

    scale: F32
    codes: F32


def improve(weights: WeightRows, scale: F32, tables: F64, owner: Indices, codes: Codes, reach: int | None) -> Fit:
    """In turns, until it stops helping. reach: of whole entries; None: reals, whose scale stays
    1.
    """
    chosen = table_codes(codes, tables, owner, weights.rows)
    if weights.moment is None:
        return Fit(scale, chosen.all_nearest(weights.rows / scale[..., None]))
    passed_on = feedback(weights.moment)
    best = _polish(weights, round_weights(weights.rows, weights.moment, scale, chosen, passed_on), scale, chosen)
    least = total_error(weights, best, scale)
    fit = Fit(scale, best)
    for _ in range(ROUNDS):
        if tables.shape[-1] <= 2**COARSE_BITS:
            tables = _fit_tables(weights, fit, tables, owner, chosen, reach)
            chosen = table_codes(codes, tables, owner, weights.rows)
        if reach is not None and not codes.power_of_two:
            scale = _fit_scale(weights, fit)
        again = _polish(weights, round_weights(weights.rows, weights.moment, scale, chosen, passed_on), scale, chosen)
        error = total_error(weights, again, scale)
        if error >= least * (1 - LEAST_GAIN):
            break
        fit, least = Fit(scale, again), error
    return fit


def _polish(weights: WeightRows, codes: F32, scale: F32, chosen: TableCodes) -> F32:
    """Move one weight at a time to the entry that is best with all others as they are: no move
    raises the output error.

    Source: Behdin et al., QuantEase, arXiv:2309.01885.
    """
    moment = weights.moment
    assert moment is not None
    best = codes.astype(np.float64)
    slope = (weights.rows - best * scale[..., None]) @ moment
    mates = partners(chosen.pairs, best.shape[-1]) if chosen.limit is not None else [[]] * best.shape[-1]
    for _ in range(SWEEPS):
        moved = 0
        for column in range(best.shape[-1]):
            weight = np.maximum(moment[:, column, column, None] * scale, 1e-30)
            low, high = _bounds(best, mates[column], chosen.limit)
            entry = chosen.nearest(best[..., column] + slope[..., column] / weight, low, high)
            if chosen.kept is not None:
                entry = entry * chosen.kept[..., column]
            groups, rows = np.nonzero(entry != best[..., column])
            step = (entry[groups, rows] - best[groups, rows, column]) * scale[groups, rows]
            slope[groups, rows] -= step[:, None] * moment[groups, column]
            best[..., column] = entry
            moved += len(rows)
        if not moved:
            break
    return best.astype(np.float32)


def _bounds(codes: F64, mates: list[int], limit: int | None) -> tuple[F64 | float, F64 | float]:
    """What a column may be, its neighbours being what they are."""
    if limit is None or not mates:
        return -np.inf, np.inf
    near = codes[..., mates]
    return -limit - np.minimum(near.min(-1), 0.0), limit - np.maximum(near.max(-1), 0.0)


def total_error(weights: WeightRows, codes: F32, scale: F32) -> float:
    """Sum over rows of r H r^T, r = weight - scale * code."""
    assert weights.moment is not None
    return float(output_error(weights.rows, codes, scale, weights.moment).sum())


def _fit_scale(weights: WeightRows, fit: Fit) -> F32:
    """The scale of least output error for the codes as they are: q H w / q H q."""
    assert weights.moment is not None
    seen = fit.codes.astype(np.float64) @ weights.moment
    above = np.einsum("gck,gck->gc", seen, weights.rows)
    below = np.einsum("gck,gck->gc", seen, fit.codes)
    return np.maximum(quotient(above, below, fit.scale, weights.shared), weights.least)


def _fit_tables(weights: WeightRows, fit: Fit, tables: F64, owner: Indices, chosen: TableCodes, reach: int | None) -> F64:
    """Entries that lower the output error with every weight staying at its entry: coordinate
    descent on the normal equations.
    """
    places = chosen.places(fit.codes)
    normal, wanted = _normal_equations(weights, fit.scale, places, owner, tables.shape)
    new = tables.copy()
    for _ in range(6):
        before = new.copy()
        for entry in range(tables.shape[-1]):
            diagonal = normal[:, entry, entry]
            rest = wanted[:, entry] - np.einsum("tl,tl->t", normal[:, entry], new) + diagonal * new[:, entry]
            value = rest / np.where(diagonal > 0, diagonal, 1.0)
            value = value if reach is None else np.clip(np.rint(value), -reach, reach)
            stays = (diagonal <= 0) | (weights.zero & (tables[:, entry] == 0))
            new[:, entry] = np.where(stays, new[:, entry], value)
        if np.array_equal(new, before):
            break
    return np.sort(new, axis=-1)


def _normal_equations(weights: WeightRows, scale: F32, places: Indices, owner: Indices, shape: tuple[int, ...]) -> tuple[F64, F64]:
    """A [T, k, k] and b [T, k] of the error t A t - 2 b t + const in a table's entries t."""
    assert weights.moment is not None
    count, size = shape
    normal, wanted = np.zeros((count, size, size)), np.zeros((count, size))
    slot = (owner.reshape(scale.shape)[..., None] * size + places).reshape(-1)
    factor = scale.astype(np.float64)[..., None]
    if weights.codes.kept is not None:
        factor = factor * weights.codes.kept
    for entry in range(size):
        seen = (np.where(places == entry, factor, 0.0)) @ weights.moment
        normal[:, entry] = np.bincount(slot, (seen * factor).reshape(-1), count * size).reshape(count, size)
        np.add.at(wanted[:, entry], owner, np.einsum("gck,gck->gc", seen, weights.rows).reshape(-1))
    return normal, wanted


def quotient(above: F64, below: F64, scale: F32, shared: bool) -> F32:
    if shared:
        above, below = np.full_like(above, above.sum()), np.full_like(below, below.sum())
    good = (above > 0) & (below > 0)
    return np.where(good, above / np.where(good, below, 1.0), scale).astype(np.float32)


def table_codes(codes: Codes, tables: F64, owner: Indices, rows: F32) -> TableCodes:
    table = tables[None] if len(tables) == 1 else tables[owner].reshape(*rows.shape[:2], -1)
    return TableCodes(codes.qmin, codes.qmax, codes.pairs, codes.limit, codes.power_of_two, codes.kept, table)
