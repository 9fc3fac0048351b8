"""Range rules: from the statistics of a tensor to the real interval that its grid should span. Pure
functions.

Every rule returns (low, high) with low <= 0 <= high, inside the observed range joined with 0; (0.0,
0.0) for a tensor that is all zero or was never seen. A tensor without negative values keeps low ==
0.0 exactly, one without positive values high == 0.0. `symmetric` tells a rule that the grid's zero
point will be the middle code, so that only max(-low, high) counts.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edgeq.calibration.histogram import around_zero, folded
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.numerics.arrays import F64, I64
from edgeq.planning.range_kl import kl
from edgeq.planning.range_mse import mse

__all__ = ["RangeRule", "choose_range", "ema", "kl", "mean_minmax", "minmax", "mse", "percentile"]

Range = tuple[float, float]


class RangeRule(Protocol):
    """The part of a recipe that chooses ranges."""

    @property
    def rule(self) -> str: ...
    @property
    def percentile(self) -> float: ...
    @property
    def ema(self) -> float: ...


def choose_range(stats: TensorStats, recipe: RangeRule, *, levels: int, symmetric: bool) -> Range:
    """The range of one tensor by the recipe's rule. levels: codes of the grid (256 for 8 bits).
    ValueError for an unknown rule.
    """
    match recipe.rule:
        case "minmax":
            return minmax(stats)
        case "mean_minmax":
            return mean_minmax(stats)
        case "ema":
            return ema(stats, recipe.ema)
        case "percentile":
            return percentile(stats, recipe.percentile, symmetric=symmetric)
        case "kl":
            return kl(stats, levels=levels, symmetric=symmetric)
        case "mse":
            return mse(stats, levels=levels, symmetric=symmetric)
    raise ValueError(f"unknown range rule {recipe.rule!r}")


def minmax(stats: TensorStats) -> Range:
    """The smallest and the largest value seen."""
    return min(stats.low, 0.0), max(stats.high, 0.0)


def mean_minmax(stats: TensorStats) -> Range:
    """The mean over samples of each sample's smallest and largest value."""
    low, high = _sample_ranges(stats)
    if low.size == 0:
        return 0.0, 0.0
    return float(low.mean()), float(high.mean())


def ema(stats: TensorStats, momentum: float) -> Range:
    """Moving average of the sample ranges in the order of their global indices: r = momentum * r +
    (1 - momentum) * r_i, r = r_0 at first.

    Formula: Jacob et al., arXiv:1712.05877, section 3.1, one step a sample.
    """
    lows, highs = _sample_ranges(stats)
    if lows.size == 0:
        return 0.0, 0.0
    low, high = float(lows[0]), float(highs[0])
    for new_low, new_high in zip(lows[1:].tolist(), highs[1:].tolist(), strict=True):
        low, high = momentum * low + (1 - momentum) * new_low, momentum * high + (1 - momentum) * new_high
    return low, high


def percentile(stats: TensorStats, share: float, *, symmetric: bool) -> Range:
    """The range that keeps `share` % of the values inside, by the histogram with values spread
    evenly in a bin.

    Two-sided data loses half of the rest at each end, one-sided data all of it at its only end;
    symmetric: cut |x|.
    """
    below, counts = around_zero(stats.first, stats.counts)
    low, high = minmax(stats)
    if counts.size == 0:
        return 0.0, 0.0
    outside = (1 - share / 100) * stats.count
    if symmetric:
        peak = _cut(folded(below, counts), outside) * stats.width
        return max(low, 0.0 - peak), min(high, peak)
    if low < 0 < high:
        outside /= 2
    upper = _cut(counts, outside) - below
    lower = _cut(counts[::-1], outside) - (counts.size - below)
    return max(low, min(0.0 - lower * stats.width, 0.0)), min(high, max(upper * stats.width, 0.0))


def _sample_ranges(stats: TensorStats) -> tuple[F64, F64]:
    """Low and high of each sample that has finite values, joined with 0."""
    seen = stats.sample_low <= stats.sample_high
    return np.minimum(stats.sample_low[seen], 0).astype(np.float64), np.maximum(stats.sample_high[seen], 0).astype(np.float64)


def _cut(counts: I64, outside: float) -> float:
    """The position, in bins from the start, above which `outside` values lie."""
    above = np.cumsum(counts[::-1])[::-1]  # values in bin i and later
    index = int(np.searchsorted(-above, -outside, side="right")) - 1  # the last bin with above >= outside
    if index < 0:
        return 0.0
    return index + float(above[index] - outside) / int(counts[index]) if counts[index] else float(index)
