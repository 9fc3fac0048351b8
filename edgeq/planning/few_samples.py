"""Ranges from few samples: what the next sample brings, beyond what these have shown.

The largest of n samples is exceeded by the next one with a chance of 1 in n + 1, and where a rule
clips is decided by the tails of a few samples. Clipping costs more than the codes that it saves:
its errors stand together in the samples, places and channels that matter most.
"""

from __future__ import annotations

import math

import numpy as np

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.planning.ranges.rule import Range

#: from this number of samples on, a rule is trusted with its clipping, and extremes with having
#: been seen
ENOUGH = 32
#: an output is to reach as far as the largest of so many samples; where it is handed out in codes
#: it is to reach less far, because their steps decide between classes
REACH, REACH_OF_CODES = 1000, 100


def less_clipped(stats: TensorStats, chosen: Range) -> Range:
    """The range of a rule that clips, moved towards the observed one: the more, the fewer samples.

    The share of the observed range is 1 - n / ENOUGH: with ENOUGH samples nothing changes, with one
    or two hardly anything is clipped.

    >>> from edgeq.calibration.observer import Observer
    >>> seen = Observer()
    >>> seen.update(np.array([[0.0, 8.0]] * 8, np.float32), range(8))
    >>> less_clipped(seen.stats(), (0.0, 4.0))
    (0.0, 7.0)
    """
    share = max(0.0, 1 - stats.samples.size / ENOUGH)
    low, high = min(stats.low, 0.0), max(stats.high, 0.0)
    return chosen[0] + share * (low - chosen[0]), chosen[1] + share * (high - chosen[1])


def reaching_further(stats: TensorStats, reach: int) -> Range:
    """The observed range, extended to where the extremes of `reach` samples are to be expected.

    The largest value of each sample is taken to follow Gumbel's law. Its scale is
    b = sd sqrt(6) / pi (method of moments; Gumbel, Statistics of Extremes, 1958), and the largest
    of m samples lies b ln(m / n) above that of n. A bound that most samples reach leaves nothing to
    extend; an end at 0 stays there.
    """
    seen = stats.sample_low <= stats.sample_high
    count = int(seen.sum())
    if not 1 < count < ENOUGH:
        return min(stats.low, 0.0), max(stats.high, 0.0)
    steps = math.log(reach / count) * math.sqrt(6) / math.pi
    below, above = (steps * float(np.std(ends[seen].astype(np.float64), ddof=1)) for ends in (stats.sample_low, stats.sample_high))
    return (stats.low - below if stats.low < 0 else 0.0), (stats.high + above if stats.high > 0 else 0.0)
