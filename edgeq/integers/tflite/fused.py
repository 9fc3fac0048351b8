"""Activation functions that TFLite's operators compute on their results."""

from __future__ import annotations

from edgeq.integers.graph import IntegerOp
from edgeq.integers.operands import grid_out, refused
from edgeq.numerics.grid import QuantParams

#: numbers of the schema's enum ActivationFunctionType, by the bounds that they cut at
_FUSED = {(0.0, float("inf")): 1, (-1.0, 1.0): 2, (0.0, 6.0): 3}


def fused(step: IntegerOp) -> int:
    """The fused activation function of a step with a clamp; 0 where there is none, or where the
    output grid ends there anyway. Raises UnsupportedOp for bounds that TFLite does not fuse.
    """
    if step.clamp is None or implied(step.clamp, grid_out(step)):
        return 0
    if step.clamp not in _FUSED:
        raise refused(step, f"the Clip to {step.clamp} behind it is none that TFLite fuses, and its output grid does not end there")
    return _FUSED[step.clamp]


def implied(bounds: tuple[float, float], grid: QuantParams) -> bool:
    """Whether the codes of the grid end within the bounds."""
    slack = float(grid.scale) / 2
    return bounds[0] <= float(grid.low) + slack and bounds[1] >= float(grid.high) - slack
