"""Range rule percentile: the range that keeps a given share of the values inside."""

from __future__ import annotations

import numpy as np

from edgeq.calibration.histogram import around_zero, folded
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.numerics.arrays import I64
from edgeq.planning.ranges.rule import Range, RangeRequest


def choose(stats: TensorStats, request: RangeRequest) -> Range:
    """The range that keeps `percentile` % of the values inside, interpolated within histogram bins.

    Two-sided data loses half of the rest at each end, one-sided data all of it at its only end.
    With a symmetric grid, |x| is cut.
    """
    below, counts = around_zero(stats.first, stats.counts)
    low, high = min(stats.low, 0.0), max(stats.high, 0.0)
    if counts.size == 0:
        return 0.0, 0.0
    outside = (1 - request.recipe.percentile / 100) * stats.count
    if request.symmetric:
        peak = _cut(folded(below, counts), outside) * stats.width
        return max(low, 0.0 - peak), min(high, peak)
    if low < 0 < high:
        outside /= 2
    upper = _cut(counts, outside) - below
    lower = _cut(counts[::-1], outside) - (counts.size - below)
    return max(low, min(0.0 - lower * stats.width, 0.0)), min(high, max(upper * stats.width, 0.0))


def _cut(counts: I64, outside: float) -> float:
    """The position, in bins from the start, above which `outside` values lie."""
    above = np.cumsum(counts[::-1])[::-1]  # values in bin i and later
    index = int(np.searchsorted(-above, -outside, side="right")) - 1  # the last bin with above >= outside
    if index < 0:
        return 0.0
    return index + float(above[index] - outside) / int(counts[index]) if counts[index] else float(index)
