"""The bounds of a Relu or Clip behind an operator, on the grid of its output."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.numerics.grid import LIMITS, QuantParams


def clamp_codes(step: IntegerOp, grid: QuantParams) -> tuple[int, int]:
    """The codes that a fused Relu or Clip leaves."""
    low, high = LIMITS["int8"]
    if step.clamp is not None:
        ends = [float(np.clip(bound / float(grid.scale), -1e6, 1e6)) for bound in step.clamp]
        low, high = (int(np.clip(np.rint(end) + int(grid.zero_point), low, high)) for end in ends)
    return low, high


def implied(bounds: tuple[float, float], grid: QuantParams) -> bool:
    """Whether the codes of the grid end within the bounds."""
    slack = float(grid.scale) / 2
    return bounds[0] <= float(grid.low) + slack and bounds[1] >= float(grid.high) - slack
