"""Range rule ema: the moving average of the samples' ranges, in the order of their indices."""

from __future__ import annotations

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.planning.ranges.mean_minmax import sample_ranges
from edgeq.planning.ranges.rule import Range, RangeRequest


def choose(stats: TensorStats, request: RangeRequest) -> Range:
    """r = ema * r + (1 - ema) * r_i for the range r_i of each sample; initially r = r_0.

    Formula: Jacob et al., arXiv:1712.05877, section 3.1, with one step per sample.
    """
    lows, highs = sample_ranges(stats)
    if lows.size == 0:
        return 0.0, 0.0
    momentum = request.recipe.ema
    low, high = float(lows[0]), float(highs[0])
    for new_low, new_high in zip(lows[1:].tolist(), highs[1:].tolist(), strict=True):
        low, high = momentum * low + (1 - momentum) * new_low, momentum * high + (1 - momentum) * new_high
    return low, high
