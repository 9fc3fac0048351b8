"""What calibration keeps of a tensor: exact range, range of each sample, a histogram.

It is small, and merges bit for bit in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from edgeq.calibration.histogram import BINS, MIN_EXPONENT, coarsen, exponent_for
from edgeq.errors import BadStatistics
from edgeq.numerics.arrays import F32, I64


def _no_ints() -> I64:
    return np.zeros(0, np.int64)


def _no_floats() -> F32:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class TensorStats:
    """Statistics of one tensor over some samples of a data set.

    The default means "never seen". The histogram has bins of width 2**exponent anchored at 0.
    """

    #: how many NaN and infinite values came; they are in nothing else
    nonfinite: int = 0
    #: int64 [n]: global indices of the samples seen, ascending
    samples: I64 = field(default_factory=_no_ints)
    #: float32 [n]: smallest finite value of each sample, +inf for a sample without any
    sample_low: F32 = field(default_factory=_no_floats)
    #: float32 [n]: largest finite value of each sample, -inf for a sample without any
    sample_high: F32 = field(default_factory=_no_floats)
    #: log2 of the width of a bin
    exponent: int = MIN_EXPONENT
    #: number of the first bin in `counts`
    first: int = 0
    #: int64 [K]: counts[j] values x have floor(x / 2**exponent) == first + j; not 0 at either end
    counts: I64 = field(default_factory=_no_ints)

    @property
    def count(self) -> int:
        """The number of finite values."""
        return int(self.counts.sum())

    @property
    def low(self) -> float:
        """The smallest finite value, exact; 0.0 if there is none."""
        return float(self.sample_low.min()) if self.counts.size else 0.0

    @property
    def high(self) -> float:
        """The largest finite value, exact; 0.0 if there is none."""
        return float(self.sample_high.max()) if self.counts.size else 0.0

    @property
    def width(self) -> float:
        """The width of a bin."""
        return float(2.0**self.exponent)

    def merge(self, other: Self) -> TensorStats:
        """Statistics of the same tensor over the samples of both.

        Raises BadStatistics if they share a sample, which would count twice.
        """
        shared = np.intersect1d(self.samples, other.samples)
        if shared.size:
            raise BadStatistics(
                f"{shared.size} samples are in both statistics", f"sample {int(shared[0])}", "Merge shards with disjoint sample ranges."
            )
        return pool((self, other))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorStats):
            return NotImplemented
        same = (self.nonfinite, self.exponent, self.first) == (other.nonfinite, other.exponent, other.first)
        return (
            same
            and np.array_equal(self.samples, other.samples)
            and np.array_equal(self.sample_low, other.sample_low)
            and np.array_equal(self.sample_high, other.sample_high)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]  # holds arrays


def pool(parts: Sequence[TensorStats]) -> TensorStats:
    """Statistics of all values of several tensors, as if they were one tensor.

    This is what a grid that they share must represent. The range of a sample is the union of its
    ranges in the parts; counts are added. Exact, and independent of the order of the parts.

    >>> from edgeq.calibration.observer import Observer
    >>> first, second = Observer(), Observer()
    >>> first.update(np.array([0.5, 2.0], np.float32), [0])
    >>> second.update(np.array([-1.0], np.float32), [1])
    >>> both = pool((first.stats(), second.stats()))
    >>> both.low, both.high, both.count, both.samples.tolist()
    (-1.0, 2.0, 3, [0, 1])
    """
    samples, low, high = widen(
        np.concatenate([_no_ints(), *(part.samples for part in parts)]),
        np.concatenate([_no_floats(), *(part.sample_low for part in parts)]),
        np.concatenate([_no_floats(), *(part.sample_high for part in parts)]),
    )
    exponent = max((part.exponent for part in parts), default=MIN_EXPONENT)
    bins = [coarsen(part.first, part.counts, exponent - part.exponent) for part in parts if part.counts.size]
    first = min((start for start, _ in bins), default=0)
    counts = np.zeros(max((start + part.size - first for start, part in bins), default=0), np.int64)
    for start, part in bins:
        counts[start - first : start - first + part.size] += part
    return TensorStats(sum(part.nonfinite for part in parts), samples, low, high, exponent, first, counts)


def widen(samples: I64, low: F32, high: F32) -> tuple[I64, F32, F32]:
    """Sort by sample and join the ranges of equal samples. All arrays [n] -> [m], m <= n."""
    if samples.size == 0:
        return samples, low, high
    order = np.argsort(samples)
    samples, low, high = samples[order], low[order], high[order]
    starts = np.flatnonzero(np.diff(samples, prepend=samples[0] - 1))
    return samples[starts], np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)


def flaw(stats: TensorStats) -> str | None:
    """What is impossible about these statistics, in a few words.

    None if an Observer could have made them.
    """
    steps_back = stats.samples[1:] <= stats.samples[:-1]
    if stats.nonfinite < 0 or steps_back.any() or (stats.samples < 0).any():
        return "impossible sample numbers"
    seen = np.isfinite(stats.sample_low) & np.isfinite(stats.sample_high)
    unseen = np.isposinf(stats.sample_low) & np.isneginf(stats.sample_high)
    if not (seen | unseen).all() or (stats.sample_low > stats.sample_high)[seen].any():
        return "impossible sample ranges"
    if bool(seen.any()) != bool(stats.counts.size) or stats.counts.size > 2 * BINS + 1:
        return "a histogram without range, or a range without histogram,"
    if stats.exponent != exponent_for(max(-stats.low, stats.high)):
        return "impossible bin width"
    if stats.counts.size and (stats.first, stats.first + stats.counts.size - 1) != (_bin(stats.low, stats), _bin(stats.high, stats)):
        return "a histogram that does not span the range"
    if (stats.counts < 0).any() or stats.counts.sum(dtype=np.float64) > 2.0**62 or 0 in stats.counts[[0, -1][: stats.counts.size]]:
        return "impossible counts"
    return None


def _bin(value: float, stats: TensorStats) -> int:
    return math.floor(math.ldexp(value, -stats.exponent))
