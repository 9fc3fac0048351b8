"""Activation functions that TFLite's operators compute on their results."""

from __future__ import annotations

from edgeq.integers.bounds import implied
from edgeq.integers.graph import IntegerOp
from edgeq.integers.operands import grid_out

#: numbers of the schema's enum ActivationFunctionType, by the bounds that they cut at
FUSED = {(0.0, float("inf")): 1, (-1.0, 1.0): 2, (0.0, 6.0): 3}


def fused(step: IntegerOp) -> int:
    """The fused activation function of a step with a clamp; 0 where there is none, or where the
    output grid ends there anyway. Bounds that TFLite does not fuse are taken away before.
    """
    return 0 if step.clamp is None or implied(step.clamp, grid_out(step)) else FUSED[step.clamp]
