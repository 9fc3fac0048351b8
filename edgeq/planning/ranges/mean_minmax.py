"""Range rule mean_minmax: the mean over samples of each sample's smallest and largest value."""

from __future__ import annotations

import numpy as np

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.numerics.arrays import F64
from edgeq.planning.ranges.rule import Range, RangeRequest


def choose(stats: TensorStats, _: RangeRequest) -> Range:
    """The mean of the samples' ranges."""
    low, high = sample_ranges(stats)
    if low.size == 0:
        return 0.0, 0.0
    return float(low.mean()), float(high.mean())


def sample_ranges(stats: TensorStats) -> tuple[F64, F64]:
    """Low and high [samples] of each sample that has finite values, extended to include 0.

    In the order of the samples' global indices.
    """
    seen = stats.sample_low <= stats.sample_high
    return np.minimum(stats.sample_low[seen], 0).astype(np.float64), np.maximum(stats.sample_high[seen], 0).astype(np.float64)
