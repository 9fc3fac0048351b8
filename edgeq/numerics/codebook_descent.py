"""Improve a codebook by alternating between assigning weights and refitting the codebook.

Each weight is assigned to an entry with error feedback (rounding.py); then scales and entries are
refitted by least squares. Both use the measured moment of the layer's input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, Indices
from edgeq.numerics.clustering import EXACT, Clustering
from edgeq.numerics.codebook_codes import TableCodes
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import feedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.rounding.with_feedback import output_error, rounded_with_error
from edgeq.numerics.saturation import partners

#: tables of at most this many bits are worth several starts, and entries refitted by least squares
COARSE_BITS = 4
#: the most rounds of assigning and refitting, and the most sweeps over the columns in each
ROUNDS, SWEEPS = 3, 3
#: the search ends when a round gains less than this share of the error
LEAST_GAIN = 5e-3


@dataclass(frozen=True, eq=False)
class WeightRows:
    """The rows of a weight, and how much an error in each column costs."""

    #: [G, C, K]
    rows: F32
    #: [G, K]: the diagonal of the moment; used alone when the moment is None
    importance: F64
    #: [G, K, K]: E[x x^T] of the layer's input x, or None
    moment: F64 | None
    #: the codes that weights may take
    codes: Codes
    #: [G, C]: the smallest scale that each row may have
    least: F32
    #: whether all rows have one scale
    shared: bool
    #: whether a table must contain 0 exactly
    zero: bool
    #: who finds the first tables
    clustering: Clustering = EXACT


@dataclass(frozen=True, eq=False)
class Fit:
    """The scales and codes chosen for the rows of a weight."""

    #: [G, C]: one scale per row
    scale: F32
    #: [G, C, K]: integers, or reals where all scales are 1; the rows of one table have at most
    #: 2^bits different ones
    codes: F32


def improve(weights: WeightRows, scale: F32, tables: F64, owner: Indices, codes: Codes, reach: int | None) -> Fit:
    """Alternate until the gain falls below LEAST_GAIN.

    owner [G * C]: the table of each row. reach: largest integer entry; None for tables of real
    numbers, whose scale stays 1. Without a moment every weight takes its nearest entry, and that is
    all.
    """
    chosen = table_codes(codes, tables, owner, weights.rows)
    if weights.moment is None:
        return Fit(scale, chosen.all_nearest(weights.rows / scale[..., None]))
    passed_on = feedback(HalfMatrix.of(weights.moment))
    best = _polish(weights, rounded_with_error(weights.rows, passed_on, scale, chosen)[0], scale, chosen)
    least = total_error(weights, best, scale)
    fit = Fit(scale, best)
    for _ in range(ROUNDS):
        if tables.shape[-1] <= 2**COARSE_BITS:
            tables = _fit_tables(weights, fit, tables, owner, chosen, reach)
            chosen = table_codes(codes, tables, owner, weights.rows)
        if reach is not None and not codes.power_of_two:
            scale = fit_scale(weights, fit)
        again = _polish(weights, rounded_with_error(weights.rows, passed_on, scale, chosen)[0], scale, chosen)
        error = total_error(weights, again, scale)
        if error >= least * (1 - LEAST_GAIN):
            break
        fit, least = Fit(scale, again), error
    return fit


def _polish(weights: WeightRows, codes: F32, scale: F32, chosen: TableCodes) -> F32:
    """Move one weight at a time to the entry that is best while all others stay as they are.

    No move raises the output error. Source: Behdin et al., QuantEase, arXiv:2309.01885.
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
    """The range in which a column keeps to the limit, given the codes of its neighbours."""
    if limit is None or not mates:
        return -np.inf, np.inf
    near = codes[..., mates]
    return -limit - np.minimum(near.min(-1), 0.0), limit - np.maximum(near.max(-1), 0.0)


def total_error(weights: WeightRows, codes: F32, scale: F32) -> float:
    """Sum over rows of r H r^T, where r = weight - scale * code."""
    assert weights.moment is not None
    return float(output_error(weights.rows, codes, scale, weights.moment).sum())


def fit_scale(weights: WeightRows, fit: Fit) -> F32:
    """The scale with the least output error for the given codes: q H w / q H q."""
    assert weights.moment is not None
    seen = fit.codes.astype(np.float64) @ weights.moment
    above = np.einsum("gck,gck->gc", seen, weights.rows)
    below = np.einsum("gck,gck->gc", seen, fit.codes)
    return np.maximum(quotient(above, below, fit.scale, weights.shared), weights.least)


def _fit_tables(weights: WeightRows, fit: Fit, tables: F64, owner: Indices, chosen: TableCodes, reach: int | None) -> F64:
    """Entries that lower the output error while every weight keeps its entry.

    Coordinate descent on the normal equations.
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
    """A [T, k, k] and b [T, k] of the error t A t - 2 b t + const for the entries t of a table."""
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
    """above / below for each row, or for all rows together if `shared`, as float32 [G, C].

    `scale` stays where the quotient would not be positive.
    """
    if shared:
        above, below = np.full_like(above, above.sum()), np.full_like(below, below.sum())
    good = (above > 0) & (below > 0)
    return np.where(good, above / np.where(good, below, 1.0), scale).astype(np.float32)


def table_codes(codes: Codes, tables: F64, owner: Indices, rows: F32) -> TableCodes:
    """`codes`, restricted to the entries of the table that each row belongs to."""
    table = tables[None] if len(tables) == 1 else tables[owner].reshape(*rows.shape[:2], -1)
    return TableCodes(codes.qmin, codes.qmax, codes.pairs, codes.limit, codes.power_of_two, codes.kept, table)
