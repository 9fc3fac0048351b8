"""The bounds of a Relu or Clip fused into an operator, as codes on the operator's output grid."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.numerics.grid import LIMITS, QuantParams


def clamp_codes(step: IntegerOp, grid: QuantParams) -> tuple[int, int]:
    """The smallest and the largest code that the step's fused Relu or Clip lets through.

    grid: in signed codes. Without a clamp these are the limits of their type.
    """
    low, high = LIMITS[grid.dtype]
    if step.clamp is not None:
        ends = [float(np.clip(bound / float(grid.scale), -1e6, 1e6)) for bound in step.clamp]
        low, high = (int(np.clip(np.rint(end) + int(grid.zero_point), low, high)) for end in ends)
    return low, high


def implied(bounds: tuple[float, float], grid: QuantParams) -> bool:
    """Whether the grid's own range already lies within the bounds (to half a scale step)."""
    slack = float(grid.scale) / 2
    return bounds[0] <= float(grid.low) + slack and bounds[1] >= float(grid.high) - slack
