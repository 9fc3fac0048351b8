"""Search the scales of weights with the least weighted squared error of nearest rounding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.rounding.codes import Codes, Snap
from edgeq.numerics.saturation import worst_pairs

#: scales to try, as multiples of the one that spans the row
FACTORS = np.linspace(1.0, 0.6, 17)
#: the same for one scale that all rows share: a single row must not make all others coarse
SHARED_FACTORS = np.geomspace(1.0, 1 / 16, 33)
#: numbers of a weight that are tried at a time: they stay in a core's cache from scale to scale
AT_ONCE = 1 << 16


def scales_for(weight: F32, importance: F64, codes: Codes, shared: bool, snap: Snap | None = None) -> F32:
    """Scales [G, C] with the least weighted squared error of nearest rounding.

    weight [G, C, K]; importance [G, K]: diagonal of H. No scale is so small that neighbours would
    have to be cut: cutting errs in one direction and costs far more than coarser steps. shared: one
    scale for all rows. snap: maps scales to allowed scales that are not smaller; by default
    codes.snap.
    """
    snap = snap or codes.snap
    peak = np.abs(weight).max(-1, initial=0.0)
    if shared:
        peak = np.full_like(peak, peak.max(initial=0.0))
    span = np.where(peak > 0, peak / codes.qmax, 1.0).astype(np.float32)
    floor = np.zeros_like(span) if codes.limit is None else worst_pairs(weight, codes.pairs) / np.float32(codes.limit - 1)
    if shared:
        floor = np.full_like(floor, floor.max(initial=0.0))
    tried = [snap(np.maximum(span * np.float32(factor), floor)) for factor in (SHARED_FACTORS if shared else FACTORS)]
    errors = _errors(weight, importance, np.stack(tried), codes)
    if shared:
        errors = np.broadcast_to(errors.sum((1, 2), keepdims=True), errors.shape)
    finite = np.where(np.isnan(errors), np.inf, errors)
    best = np.take_along_axis(np.stack(tried), finite.argmin(0)[None], 0)[0]
    return np.where(np.isfinite(finite.min(0)), best, snap(np.maximum(span, floor)))


def _errors(weight: F32, importance: F64, scales: F32, codes: Codes) -> F64:
    """The weighted squared error of each row at each of the scales [n, G, C]: [n, G, C]."""
    found, sensitivity = np.empty(scales.shape), importance.astype(np.float32)
    for block in _blocks(*weight.shape):
        part, seen = weight[block], sensitivity[block[0]]
        wanted, nearest = np.empty_like(part), np.empty_like(part)
        for index, scale in enumerate(scales[:, *block]):
            np.divide(part, scale[..., None], out=wanted)
            np.rint(wanted, out=nearest)
            np.clip(nearest, codes.qmin, codes.qmax, out=nearest)  # above the floor neighbours need no cutting
            nearest -= wanted
            nearest *= nearest
            found[index, *block] = np.einsum("gck,gk->gc", nearest, seen) * np.square(scale, dtype=np.float64)
    return found


def _blocks(groups: int, rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Slices of groups and of rows that hold AT_ONCE numbers together, or one row."""
    high = max(1, min(rows, AT_ONCE // max(columns, 1)))
    deep = max(1, AT_ONCE // max(high * columns, 1)) if high == rows else 1
    for group in range(0, groups, deep):
        for row in range(0, rows, high):
            yield slice(group, group + deep), slice(row, row + high)
