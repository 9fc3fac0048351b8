"""Range rule minmax: the smallest and the largest value seen."""

from __future__ import annotations

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.planning.ranges.rule import Range, RangeRequest


def choose(stats: TensorStats, _: RangeRequest) -> Range:
    """The observed range, extended to include 0."""
    return min(stats.low, 0.0), max(stats.high, 0.0)
