"""Range rule mse: the range with the smallest expected squared error of quantization.

It is computed from moments of the histogram:

    E(low, high) = N * s**2 / 12 + sum over values outside of (distance to the range)**2
    s = (high - low) / (levels - 1)

The first term is the error of rounding under an even spread within a step (Widrow and Kollár,
Quantization Noise, 2008), the second that of clipping. N counts clipped values too: they are far
below 1 % at the optimum, E stays convex, and a spike at the very end is not cut off.
"""

from __future__ import annotations

import numpy as np

from edgeq.calibration.histogram import around_zero, folded, without_zero_spike
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.numerics.arrays import F64, I64
from edgeq.numerics.grid import next_power_of_two
from edgeq.planning.ranges.rule import Range, RangeRequest

#: candidates per axis in each round of the search for both ends
_GRID = 65


def choose(stats: TensorStats, request: RangeRequest) -> Range:
    """The range [low, high] with the smallest expected squared error on a grid of `levels` codes.

    symmetric: the best T for [-T, T] with step T / ((levels - 1) // 2). One-sided data: only the
    nonzero end is searched. A spike of exact zeros does not count (`without_zero_spike`): every
    grid holds them exactly. Candidates: bin edges and the exact ends.
    """
    low, high = min(stats.low, 0.0), max(stats.high, 0.0)
    if low == high == 0.0:
        return 0.0, 0.0
    below, counts = around_zero(stats.first, stats.counts)
    smooth = without_zero_spike(below, counts)
    width = stats.width
    if request.symmetric:
        side = HistogramSide(folded(below, smooth), max(-low, high) / width)
        steps = (request.levels - 1) // 2
        peak = float(side.ends[np.argmin(side.clipped + side.total * (side.ends / steps) ** 2 / 12)]) * width
        return max(low, 0.0 - peak), min(high, peak)
    lower, upper = best_ends(HistogramSide(smooth[:below][::-1], -low / width), HistogramSide(smooth[below:], high / width), request.levels)
    return max(low, 0.0 - lower * width), min(high, upper * width)


def halved_where_better(stats: TensorStats, chosen: Range, *, levels: int, symmetric: bool) -> Range:
    """A range for a scale that is a power of two: `chosen`, or one that halves its scale.

    `chosen` leads to the next larger power of two. The alternative clips values at both ends so
    that the power of two below suffices. The range with the smaller expected squared error is
    returned.
    """
    low, high = chosen
    steps = (levels - 1) // 2 if symmetric else levels - 1
    span = max(-low, high) if symmetric else high - low
    if span <= 0:
        return chosen
    large = float(next_power_of_two(np.asarray(span / steps)))
    cut = steps * large / 2 / span
    if cut >= 1:
        return chosen
    narrow = low * cut, high * cut
    return min((chosen, large), (narrow, large / 2), key=lambda one: expected_error(stats, one[0], one[1], symmetric))[0]


def expected_error(stats: TensorStats, ends: tuple[float, float], step: float, symmetric: bool) -> float:
    """Expected squared error, in squared bins, on a grid of this step that saturates at `ends`."""
    below, counts = around_zero(stats.first, stats.counts)
    smooth, width = without_zero_spike(below, counts), stats.width
    lower, upper = (max(-ends[0], ends[1]),) * 2 if symmetric else (-ends[0], ends[1])
    error = 0.0
    for part, seen, end in ((smooth[:below][::-1], -min(stats.low, 0.0), lower), (smooth[below:], max(stats.high, 0.0), upper)):
        side = HistogramSide(part, seen / width)
        place = np.searchsorted(side.ends, min(end, seen) / width)
        error += float(side.clipped[min(int(place), side.clipped.size - 1)]) + side.total * (step / width) ** 2 / 12
    return error


class HistogramSide:
    """The histogram on one side of zero, and the cost of clipping it. Lengths are in bins.

    ends float64 [n+1]: candidates, ascending: 0, the bin edges, and the outermost value itself.
    total: number of values. clipped: sum of squared distances to ends[i] of the values beyond it,
    each assumed to be at the centre of its bin.
    """

    def __init__(self, counts: I64, outermost: float) -> None:
        """counts [n]: bins away from zero. outermost: the largest magnitude on this side."""
        self.ends: F64 = np.arange(counts.size + 1, dtype=np.float64)
        centres = self.ends[:-1] + 0.5
        if counts.size:
            self.ends[-1] = outermost
        beyond = [np.concatenate([np.cumsum((counts * centres**power)[::-1])[::-1], [0.0]]) for power in (0, 1, 2)]
        self.clipped: F64 = np.maximum(beyond[2] - 2 * self.ends * beyond[1] + self.ends**2 * beyond[0], 0.0)
        self.total = int(counts.sum())


def best_ends(lower: HistogramSide, upper: HistogramSide, levels: int) -> tuple[float, float]:
    """The two ends (distances from zero, in bins) with the smallest expected error.

    The search uses a coarse grid over both ends, which is refined around its best point.
    """
    rows, columns = _spread(0, lower.ends.size - 1), _spread(0, upper.ends.size - 1)
    while True:
        span = lower.ends[rows][:, None] + upper.ends[columns]
        error = lower.clipped[rows][:, None] + upper.clipped[columns] + (lower.total + upper.total) * (span / (levels - 1)) ** 2 / 12
        row, column = divmod(int(np.argmin(error)), columns.size)
        if _dense(rows) and _dense(columns):
            return float(lower.ends[rows[row]]), float(upper.ends[columns[column]])
        rows, columns = _around(rows, row), _around(columns, column)


def _spread(first: int, last: int) -> I64:
    """At most _GRID indices from first to last, both included."""
    return np.unique(np.linspace(first, last, _GRID).round().astype(np.int64))


def _dense(indices: I64) -> bool:
    return bool(indices[-1] - indices[0] == indices.size - 1)


def _around(indices: I64, best: int) -> I64:
    """The next, finer candidates: from two before the best to two after it."""
    return _spread(int(indices[max(best - 2, 0)]), int(indices[min(best + 2, indices.size - 1)]))
