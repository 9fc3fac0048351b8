"""Range rule kl: the clipping thresholds that minimise the KL divergence of the quantized values.

The search is exact and uses prefix sums. For a window [a, b) of histogram bins and a grid of L
codes, as in Migacz, "8-bit inference with TensorRT", GTC 2017:

* P: the counts of the window; the counts outside are added to its first and last bin (where the
  grid saturates).
* Q: the counts of the window alone, put on L codes (bin a+j on code floor(j * L / (b - a))); the
  mass of a code is spread evenly over those of its bins in which P is not zero.
* KL = sum P log(P / Q), both normalised; infinite if Q is zero where P is not (clipped values on an
  end whose code is otherwise empty).

Among equal values the widest window wins. Windows narrower than L bins are not tried: there every
bin has a code of its own.
"""

from __future__ import annotations

import numpy as np

from edgeq.calibration.histogram import around_zero, coarsen, without_zero_spike
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.numerics.arrays import F64, I64
from edgeq.planning.ranges.rule import Range, RangeRequest

#: windows whose divergences differ by less than this count as equal
TIE = 1e-12
#: bins are merged until no side has more than this: the resolution that the method was designed
#: for, and a few ms per tensor
SEARCH_BINS = 2048
#: windows evaluated together: their 256 codes fit in the cache
_CHUNK = 128
_ROUNDS = 4


def choose(stats: TensorStats, request: RangeRequest) -> Range:
    """The range [low, high] with the smallest KL divergence.

    symmetric: one threshold T, [-T, T] on the codes -(levels-1)//2 .. (levels-1)//2. One-sided
    data: [0, T] on all codes. Two-sided data: the window shrinks as a whole first, then each end
    alone, upper before lower, until neither moves or _ROUNDS are over. A spike of exact zeros is
    removed first (`without_zero_spike`): otherwise, after ReLU, one bin would decide everything.
    """
    first, counts, width = stats.first, stats.counts, stats.width
    if max(-first, first + counts.size) > SEARCH_BINS:
        (first, counts), width = coarsen(first, counts, 1), 2 * width
    below, counts = around_zero(first, counts)
    low, high = min(stats.low, 0.0), max(stats.high, 0.0)
    if low == high == 0.0:
        return 0.0, 0.0
    smooth = without_zero_spike(below, counts)
    if not smooth.any():  # nothing but zeros and denormals
        return low, high
    if request.symmetric:
        peak = symmetric_threshold(smooth, below, request.levels) * width
        return max(low, 0.0 - peak), min(high, peak)
    start, stop = asymmetric_window(smooth, below, request.levels)
    return max(low, (start - below) * width), min(high, (stop - below) * width)


def symmetric_threshold(counts: I64, below: int, levels: int) -> int:
    """T in bins: the best window [-T, T). counts [K] has `below` bins under zero."""
    side = max(below, counts.size - below)
    whole = np.zeros(2 * side, np.int64)
    whole[side - below : side - below + counts.size] = counts
    codes = 2 * ((levels - 1) // 2) + 1
    thresholds = np.arange((codes + 1) // 2, side + 1)
    if thresholds.size == 0:
        return side
    return int(thresholds[_best(divergence(whole, side - thresholds, side + thresholds, codes))])


def asymmetric_window(counts: I64, below: int, levels: int) -> tuple[int, int]:
    """The best window [start, stop) around the edge `below`, as indices into counts [K]."""
    start, stop = 0, counts.size
    if 0 < below < counts.size:
        part = np.arange(1, max(below, stop - below) + 1) / max(below, stop - below)
        starts, stops = below - np.ceil(part * below).astype(np.int64), below + np.ceil(part * (stop - below)).astype(np.int64)
        start, stop = _pick(counts, starts, stops, levels, (start, stop))
    ends = ["upper"] * (below < counts.size) + ["lower"] * (below > 0)
    still = 0  # moves in a row that changed nothing
    for end in ends * _ROUNDS:
        before = (start, stop)
        if end == "upper":
            tops = np.arange(max(below, start + 1), counts.size + 1)
            start, stop = _pick(counts, np.full_like(tops, start), tops, levels, before)
        else:
            bottoms = np.arange(min(below, stop - 1), -1, -1)
            start, stop = _pick(counts, bottoms, np.full_like(bottoms, stop), levels, before)
        still = still + 1 if (start, stop) == before else 1
        if still >= len(ends):
            break
    return start, stop


def divergence(counts: I64, starts: I64, stops: I64, codes: int) -> F64:
    """KL of the windows [starts[c], stops[c]) of counts [K]: float64 [C], in nats.

    Each window must be at least `codes` bins wide.
    """
    mass = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    filled = np.concatenate([[0.0], np.cumsum(counts != 0, dtype=np.float64)])
    entropy = np.concatenate([[0.0], np.cumsum(_xlogx(counts.astype(np.float64)))])
    result = np.empty(starts.size)
    for chunk in (slice(i, i + _CHUNK) for i in range(0, starts.size, _CHUNK)):
        result[chunk] = _divergence(counts, (mass, filled, entropy), starts[chunk], stops[chunk], codes)
    return result


def _divergence(counts: I64, sums: tuple[F64, F64, F64], starts: I64, stops: I64, codes: int) -> F64:
    mass, filled, entropy = sums
    left, right = mass[starts], mass[-1] - mass[stops]
    first, last = counts[starts].astype(np.float64), counts[stops - 1].astype(np.float64)
    edges = starts[:, None] - (np.arange(codes + 1) * (starts - stops)[:, None]) // codes  # a + ceil(q * (b - a) / L)
    edge_mass, edge_filled = mass.take(edges), filled.take(edges)
    in_code = edge_mass[:, 1:] - edge_mass[:, :-1]  # [C, L]
    bins = edge_filled[:, 1:] - edge_filled[:, :-1]
    bins[:, 0] += (first == 0) & (left > 0)
    bins[:, -1] += (last == 0) & (right > 0)
    log_level = np.log(np.maximum(in_code, 1.0) / np.maximum(bins, 1.0))  # an empty code adds 0 * log(1 / bins)
    cross = np.einsum("cq,cq->c", in_code, log_level) + left * log_level[:, 0] + right * log_level[:, -1]
    own = entropy[stops] - entropy[starts] + _xlogx(first + left) - _xlogx(first) + _xlogx(last + right) - _xlogx(last)
    inside = mass[stops] - mass[starts]
    lost = ((left > 0) & (in_code[:, 0] == 0)) | ((right > 0) & (in_code[:, -1] == 0)) | (inside == 0)
    return np.where(lost, np.inf, (own - cross) / mass[-1] - np.log(mass[-1] / np.maximum(inside, 1.0)))


def _xlogx(x: F64) -> F64:
    return np.asarray(x * np.log(np.maximum(x, 1.0)))  # counts: 0, or at least 1


def _best(curve: F64) -> int:
    """Index of the minimum; the last among equals."""
    return int(np.flatnonzero(curve <= curve.min() + TIE)[-1])


def _pick(counts: I64, starts: I64, stops: I64, levels: int, otherwise: tuple[int, int]) -> tuple[int, int]:
    """The best of the windows, ordered from narrow to wide, that have at least `levels` bins.

    `otherwise` if there is none.
    """
    wide = stops - starts >= levels
    if not wide.any():
        return otherwise
    starts, stops = starts[wide], stops[wide]
    best = _best(divergence(counts, starts, stops, levels))
    return int(starts[best]), int(stops[best])
