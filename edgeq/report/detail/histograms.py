"""Histograms of few bins for a page: of activations from their statistics, and of weights."""

from __future__ import annotations

import math

import numpy as np

from edgeq.calibration.histogram import coarsen
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.numerics.arrays import F32
from edgeq.numerics.grid import PerChannel, QuantParams
from edgeq.report.detail.detail import Histogram

#: bins of a histogram: as many as can be told apart in a picture of a few hundred pixels
BINS = 48
#: the most numbers of a constant that are counted; of a larger one every n-th
COUNTED = 1 << 21


def of_activation(stats: TensorStats, grid: QuantParams) -> Histogram | None:
    """The histogram of a value, and the share of it outside of the grid; None: it took no number.

    Bins of the statistics are joined, so that no count is divided. The share is exact but for the
    numbers in the bin on each end of the grid, which counts as kept.
    """
    if not stats.counts.size:
        return None
    shift = max(0, math.ceil(math.log2(stats.counts.size / BINS)))
    first, counts = coarsen(stats.first, stats.counts, shift)
    width = stats.width * 2**shift
    starts = (stats.first + np.arange(stats.counts.size)) * stats.width
    outside = (starts + stats.width <= float(grid.low)) | (starts > float(grid.high))
    clipped = float(stats.counts[outside].sum() / stats.count)
    return Histogram(first * width, (first + counts.size) * width, tuple(int(count) for count in counts), clipped)


def of_weight(weight: F32, grid: QuantParams) -> Histogram | None:
    """The histogram of a constant, and the share of it outside of the grid, channel by channel.

    None: it holds no finite number.
    """
    axis = grid.granularity.axis if isinstance(grid.granularity, PerChannel) else None
    rows = weight.reshape(1, -1) if axis is None else np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    every = max(1, -(-rows.size // COUNTED))
    rows = rows[:, ::every]
    finite = np.isfinite(rows)
    if not finite.any():
        return None
    half = np.atleast_1d(grid.scale)[:, None] / 2  # what is nearer to the last code than this is rounded, not clipped
    low, high = np.atleast_1d(grid.low)[:, None] - half, np.atleast_1d(grid.high)[:, None] + half
    clipped = float(((rows < low) | (rows > high))[finite].mean())
    counts, edges = np.histogram(rows[finite], BINS)
    return Histogram(float(edges[0]), float(edges[-1]), tuple(int(count) for count in counts), clipped, every)
