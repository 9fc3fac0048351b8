"""Histograms that need no range in advance: power-of-two bins anchored at 0, in numpy alone.

Bin i of a histogram with exponent e holds the values x with floor(x * 2**-e) == i. The exponent
follows from the largest magnitude alone (`exponent_for`), and wider bins are made by adding
neighbours (`coarsen`): floor(floor(y) / 2) == floor(y / 2). So the counts depend only on the
multiset of values, never on the order in which they came, and merging is exact.
"""

from __future__ import annotations

import math

import numpy as np

from edgeq.numerics.arrays import I64

#: log2 of the number of bins on the larger side of zero; BINS/2 .. BINS of them are in use.
#: Measured from 10 to 13: observing costs the same, and mse and percentile agree to 0.01 dB from 10
#: on; 12 keeps 8 bins per code, so that ranges stay precise when an outlier widens the bins
BITS = 12
#: the number of bins on each side of zero
BINS = 1 << BITS
#: the narrowest bin: 2**126 is the largest inverse width that keeps a few bits of room in float32
MIN_EXPONENT = -126


def exponent_for(peak: float) -> int:
    """The exponent e of the bin width for a tensor with the largest magnitude `peak`.

    It is the least e, from MIN_EXPONENT on, with peak < BINS * 2**e. peak is finite and >= 0.

    >>> 2.0 ** exponent_for(1.0) * BINS
    2.0
    """
    return max(math.frexp(peak)[1] - BITS, MIN_EXPONENT) if peak > 0 else MIN_EXPONENT


def coarsen(first: int, counts: I64, shift: int) -> tuple[int, I64]:
    """Add up 2**shift neighbours: bin i goes to bin floor(i / 2**shift).

    counts [K]; the first of them is the count of bin `first`. Returns both for the new histogram.

    >>> coarsen(-1, np.array([1, 2, 3, 4]), 1)
    (-1, array([1, 5, 4]))
    """
    if shift == 0 or counts.size == 0:
        return first >> shift, counts
    target = np.arange(first, first + counts.size) >> min(shift, 62)
    starts = np.flatnonzero(np.diff(target, prepend=target[0] - 1))
    return int(target[0]), np.add.reduceat(counts, starts)


def trimmed(first: int, counts: I64) -> tuple[int, I64]:
    """The same histogram without empty bins at its ends; an empty one starts at bin 0."""
    used = np.flatnonzero(counts)
    if used.size == 0:
        return 0, np.zeros(0, np.int64)
    return first + int(used[0]), counts[used[0] : used[-1] + 1].copy()


def around_zero(first: int, counts: I64) -> tuple[int, I64]:
    """The same histogram, padded with empty bins so that it reaches the edge 0.

    Returns the number of bins below 0, and the counts.
    """
    below, above = max(0, -first), max(0, first + counts.size)
    padded = np.zeros(below + above, np.int64)
    start = first + below
    padded[start : start + counts.size] = counts
    return below, padded


def without_zero_spike(below: int, counts: I64) -> I64:
    """The same histogram with bin 0 cut down to the larger of its two neighbours.

    Bin 0 is [0, w), the bin at index `below`. After ReLU, Clip or padding a tensor holds many exact
    zeros. Every grid represents 0.0 exactly, so they cost nothing, yet they would dominate an
    entropy or an average error. A smooth density has about as many values in bin 0 as beside it, so
    the excess is taken to be zeros.
    """
    if below >= counts.size:
        return counts
    beside = max((int(counts[i]) for i in (below - 1, below + 1) if 0 <= i < counts.size), default=0)
    capped = counts.copy()
    capped[below] = min(capped[below], beside)
    return capped


def folded(below: int, counts: I64) -> I64:
    """The histogram of |x|: bins -1-i and i added, for i = 0 .. max(below, above) - 1.

    >>> folded(2, np.array([1, 2, 3, 4, 5]))
    array([5, 5, 5])
    """
    above = counts[below:]
    mirrored = counts[:below][::-1]
    total = np.zeros(max(above.size, mirrored.size), np.int64)
    total[: above.size] += above
    total[: mirrored.size] += mirrored
    return total
