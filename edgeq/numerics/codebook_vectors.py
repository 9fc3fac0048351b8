"""Fit a vector codebook: one entry stands for several neighbouring weights of a row."""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F32, F64, Mask
from edgeq.numerics.clustering import EXACT, VectorSolver
from edgeq.numerics.codebook import Grain
from edgeq.numerics.codebook_descent import Fit, WeightRows
from edgeq.numerics.vectors.descent import improve_vectors
from edgeq.numerics.vectors.kmeans import nearest_vectors

#: the first entries are fitted on about this many vectors for each: all of them count afterwards
POINTS = 64


def fit_vectors(weights: WeightRows, grain: Grain, bits: int) -> Fit:
    """Fit one scale per row and a table of integer vectors: under the moment, where there is one.

    Neighbours keep to their limit because no number of an entry exceeds half of it.
    """
    reach = weights.codes.qmax if weights.codes.limit is None else min(weights.codes.qmax, weights.codes.limit // 2)
    scale = _first_scale(weights, reach)
    if weights.moment is not None:
        scale, table = _started(weights, scale, grain.vector, bits, reach)
        return improve_vectors(weights, scale, table, reach)
    scaled, mass = weights.rows / scale[..., None], weights.importance[:, None, :] * np.square(scale, dtype=np.float64)[..., None]
    chosen = _chosen(scaled, mass, grain.vector, bits, weights.zero, reach, weights.clustering.vectors)
    if weights.codes.kept is not None:
        chosen = _keep_zeros(chosen, weights.codes.kept, grain.vector)
    return Fit(scale, chosen.astype(np.float32))


def _first_scale(weights: WeightRows, reach: int) -> F32:
    """Scales by which no number of a row exceeds `reach`."""
    peak = np.abs(weights.rows).max(-1, initial=0.0)
    if weights.shared:
        peak = np.full_like(peak, peak.max(initial=0.0))
    return weights.codes.snap(np.maximum(np.where(peak > 0, peak / reach, 1.0), weights.least).astype(np.float32))


def _started(weights: WeightRows, scale: F32, size: int, bits: int, reach: int) -> tuple[F32, F64]:
    """Scales, and the k-means of the vectors of the rows, which are first brought to one spread.

    The table is then stretched to whole numbers. Powers of two stay as they are.
    """
    if not weights.codes.power_of_two:
        mass = np.maximum(weights.importance.sum(-1, keepdims=True), 1e-30)
        spread = np.sqrt(np.einsum("gck,gk->gc", np.square(weights.rows), weights.importance) / mass)
        if weights.shared:
            spread = np.full_like(spread, np.sqrt(np.square(spread).mean()))
        scale = np.where(spread > 0, spread, scale).astype(np.float32)
    scaled, importance = weights.rows / scale[..., None], np.sqrt(weights.importance)
    mass = importance[:, None, :] * np.square(scale, dtype=np.float64)[..., None]
    points, few = scaled.reshape(-1, size).astype(np.float64), max(1, scaled.size // size // (POINTS << bits))
    table = weights.clustering.vectors(points[::few], mass.reshape(-1, size).mean(1)[::few], 2**bits - int(weights.zero))
    if weights.zero:
        table = np.concatenate([table, np.zeros((1, size))])
    if not weights.codes.power_of_two:
        unit = max(float(np.abs(table).max(initial=0.0)), 1e-30) / reach
        table, scale = table / unit, np.maximum(scale * np.float32(unit), weights.least).astype(np.float32)
    return scale, np.unique(np.clip(np.rint(table), -reach, reach), axis=0)


def vector_reals(rows: F32, importance: F64, grain: Grain, bits: int, solve: VectorSolver = EXACT.vectors) -> F32:
    """Fit a table of real vectors without scales; returns the new weights [G, C, K]."""
    mass = np.broadcast_to(importance[:, None, :], rows.shape)
    return _chosen(rows, mass, grain.vector, bits, False, None, solve).astype(np.float32)


def _chosen(scaled: F32, mass: F64, size: int, bits: int, zero: bool, reach: int | None, solve: VectorSolver) -> F64:
    points = scaled.reshape(-1, size).astype(np.float64)
    table = solve(points, mass.reshape(-1, size).mean(1), 2**bits - int(zero))
    if zero:
        table = np.concatenate([table, np.zeros((1, size))])
    if reach is not None:
        table = np.unique(np.clip(np.rint(table), -reach, reach), axis=0)
    return table[nearest_vectors(points, table)].reshape(scaled.shape)


def _keep_zeros(chosen: F64, kept: Mask, size: int) -> F64:
    """Set vectors whose weights are all pruned to 0; a partly kept vector stays as it is."""
    alive = np.any(kept.reshape(-1, size), axis=1, keepdims=True)
    return np.where(alive, chosen.reshape(-1, size), 0.0).reshape(chosen.shape)
