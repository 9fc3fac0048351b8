"""Fit a codebook: tables, scales and entries that change the layer's output least.

Tables start as the k-means of the scaled weights, each weighted by how much its input varies. Then
codebook_descent.py alternates: entries are assigned with error feedback (rounding.py), and scales
and tables are refitted by least squares under the moment H.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from edgeq.numerics.arrays import F32, F64, Indices
from edgeq.numerics.codebook import Grain
from edgeq.numerics.codebook_descent import COARSE_BITS, LEAST_GAIN, Fit, WeightRows, improve, quotient, table_codes, total_error
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.scales import scales_for

#: about this many weights determine the first tables and scales; afterwards all of them count
SKETCH = 1 << 18
#: the most alternations between tables and scales for a start
TURNS = 5
#: factors tried on the step of a table's integer grid
STRETCHES = np.linspace(1.0, 1.25, 26)


def fit_codebook(weights: WeightRows, grain: Grain, bits: int) -> Fit:
    """Fit scales, tables of integers and the entry of each weight."""
    owner = table_of_row(weights.rows, grain)
    if not weights.codes.power_of_two:
        return _bury(weights, _best_start(weights, owner, bits))
    reach = weights.codes.qmax  # power-of-two scales cannot be stretched to fit a table
    scale = np.maximum(scales_for(weights.rows, weights.importance, weights.codes, weights.shared), weights.least)
    scale = weights.codes.snap(scale)
    tables = _whole(_tables(weights, scale, owner, bits, zero=True), reach)
    return _bury(weights, improve(weights, scale, tables, owner, weights.codes, reach))


def _best_start(weights: WeightRows, owner: Indices, bits: int) -> Fit:
    """Start with importances as given and with their square roots, and keep the better result.

    An importance is the second moment of an input. Error feedback lets columns compensate for each
    other, so that they matter less unequally than the moment's diagonal says. With many entries
    both starts lead to similar tables, so only the first is tried.
    """
    reach, codes = _reach(weights.codes), replace(weights.codes, limit=None)  # _reach keeps every pair of entries within the limit

    def start(power: float) -> Fit:
        scale, tables = _start(replace(weights, importance=weights.importance**power), owner, bits)
        scale, tables = _to_integers(weights, scale, tables, owner, reach)
        return improve(weights, scale, tables, owner, codes, reach)

    if weights.moment is None or bits > COARSE_BITS:
        return start(1.0)
    with ThreadPoolExecutor() as pool:
        return min(pool.map(start, (1.0, 0.5)), key=lambda fit: total_error(weights, fit.codes, fit.scale))


def fit_reals(weights: WeightRows, grain: Grain, bits: int) -> F32:
    """Fit tables of real numbers without scales; returns the new weights [G, C, K]."""
    scale = np.ones(weights.rows.shape[:2], np.float32)
    owner = table_of_row(weights.rows, grain)
    tables = _tables(weights, scale, owner, bits, zero=weights.zero)
    return improve(weights, scale, tables, owner, replace(weights.codes, limit=None), None).codes


def _bury(weights: WeightRows, fit: Fit) -> Fit:
    """Give rows of zeros the scale that their biases need."""
    dead = ~np.any(weights.rows, axis=-1) & (weights.least > 0) & (not weights.shared)
    return Fit(weights.codes.snap(np.where(dead, weights.least, fit.scale)), fit.codes)


def table_of_row(rows: F32, grain: Grain) -> Indices:
    """The table that each row belongs to: [G * C]."""
    count = rows.shape[0] * rows.shape[1]
    return np.arange(count) // (count if grain.channels is None else grain.channels)


def _reach(codes: Codes) -> int:
    """The largest integer of a table.

    Half of the limit on neighbours: checking each pair would cost more than coarser entries.
    """
    return codes.qmax if codes.limit is None or not codes.pairs else min(codes.qmax, codes.limit // 2)


# ------------------------------------------------------------------ the start


def _start(weights: WeightRows, owner: Indices, bits: int) -> tuple[F32, F64]:
    """Scales in whose units one table of reals serves all rows that share it, and the tables."""
    few = _sketch(weights)
    peak = np.abs(weights.rows).max(-1, initial=0.0)
    mass = np.maximum(weights.importance.sum(-1, keepdims=True), 1e-30)
    spread = 3 * np.sqrt(np.einsum("gck,gk->gc", np.square(weights.rows), weights.importance) / mass)
    # the guess that ends with the smaller error is used
    guesses = [peak] if weights.shared else [peak, spread.astype(np.float32)]
    found = [_alternate(few, _usable(guess, weights.shared), owner, bits) for guess in guesses]
    return min(found, key=lambda one: one[2])[:2]


def _sketch(weights: WeightRows) -> WeightRows:
    """All rows, but for a large weight only some of the columns.

    Kept are the columns in which a single weight matters most, since a weight far from all others
    needs an entry of its own, and every step-th other column, which counts for its neighbours.
    """
    rows, importance, kept = weights.rows, weights.importance, weights.codes.kept
    step = max(1, min(rows.size // SKETCH, rows.shape[-1] // 8))
    if step > 1:
        energy = np.max(np.abs(rows).max(1) ** 2 * importance, axis=0)  # [K]
        order = np.argsort(-energy, kind="stable")
        seen = max(1, len(order) // (8 * step))
        first, others = order[:seen], np.sort(order[seen:])[::step]
        columns = np.concatenate([first, others])
        stands_for = np.concatenate([np.ones(len(first)), np.full(len(others), step)])
        rows, importance = rows[..., columns], importance[..., columns] * stands_for
        kept = None if kept is None else kept[..., columns]
    return replace(weights, rows=rows, importance=importance, codes=replace(weights.codes, kept=kept, pairs=(), limit=None))


def _usable(scale: F32, shared: bool) -> F32:
    if shared:
        scale = np.full_like(scale, scale.max(initial=0.0))
    return np.where(scale > 0, scale, 1.0).astype(np.float32)


def _alternate(weights: WeightRows, scale: F32, owner: Indices, bits: int) -> tuple[F32, F64, float]:
    best = (scale, np.zeros((1, 1)), np.inf)
    tables: F64 | None = None
    for _ in range(TURNS):
        tables = _tables(weights, scale, owner, bits, zero=weights.zero, before=tables)
        codes = table_codes(weights.codes, tables, owner, weights.rows).all_nearest(weights.rows / scale[..., None])
        new = _diagonal_scale(weights, codes, scale)
        error = float(np.einsum("gck,gk->", np.square(weights.rows - codes * new[..., None], dtype=np.float64), weights.importance))
        if error >= best[2] * (1 - LEAST_GAIN):
            break
        best = (new, tables, error)
        scale = new
    return best


def _diagonal_scale(weights: WeightRows, codes: F32, scale: F32) -> F32:
    """The scale of least weighted squared error for the given codes: sum h w q / sum h q^2."""
    above = np.einsum("gck,gk->gc", weights.rows * codes, weights.importance)
    below = np.einsum("gck,gk->gc", np.square(codes), weights.importance)
    return quotient(above, below, scale, weights.shared)


def _tables(weights: WeightRows, scale: F32, owner: Indices, bits: int, *, zero: bool, before: F64 | None = None) -> F64:
    """k-means of weight / scale over each table's rows: [T, k], ascending.

    zero: one of the entries is 0. before: tables to start from.
    """
    size, solve = 2**bits, weights.clustering.numbers
    scaled = (weights.rows / scale[..., None]).reshape(len(owner), -1)
    per_row = (weights.importance[:, None, :] * np.square(scale, dtype=np.float64)[..., None]).reshape(len(owner), -1)
    kept = None if weights.codes.kept is None else weights.codes.kept.reshape(len(owner), -1)
    tables = np.zeros((int(owner[-1]) + 1, size))
    for table in range(len(tables)):
        mine = owner == table
        values, mass = scaled[mine].reshape(-1), per_row[mine].reshape(-1)
        if kept is not None:
            values, mass = values[kept[mine].reshape(-1)], mass[kept[mine].reshape(-1)]
        elif zero:
            values, mass = values[values != 0], mass[values != 0]
        if before is not None and len(values) > size:
            start = before[table][before[table] != 0] if zero else before[table]
            entries = solve(values, mass, size - int(zero), start)
        else:
            entries = solve(values, mass, size - int(zero), None) if len(values) else np.zeros(1)
        entries = np.unique(np.append(entries, 0.0)) if zero else entries
        tables[table] = np.pad(entries, (0, size - len(entries)), mode="edge")
    return tables


# ------------------------------------------------------------------ integers


def _to_integers(weights: WeightRows, scale: F32, tables: F64, owner: Indices, reach: int) -> tuple[F32, F64]:
    """Tables stretched to integers up to `reach` with the least rounding error, and scales."""
    peak = np.maximum(np.abs(tables).max(-1), 1e-30)
    if weights.shared:
        peak = np.full_like(peak, peak.max())
    unit = peak[:, None] / reach * STRETCHES  # [T, tried]
    error = np.square(np.rint(tables[:, None, :] / unit[..., None]) * unit[..., None] - tables[:, None, :]).sum(-1)
    if weights.shared:
        error = np.broadcast_to(error.sum(0), error.shape)
    unit = np.take_along_axis(unit, error.argmin(-1)[:, None], -1)[:, 0]
    fitted = scale * unit[owner].reshape(scale.shape).astype(np.float32)
    floor = np.maximum(fitted, weights.least)  # the table stays; a row whose bias needs a larger scale uses less of it
    return floor.astype(np.float32), _whole(tables / unit[:, None], reach)


def _whole(tables: F64, reach: int) -> F64:
    return np.clip(np.rint(tables), -reach, reach)
