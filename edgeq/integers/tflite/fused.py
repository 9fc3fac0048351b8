"""The activation functions that TFLite's operators can apply to their results."""

from __future__ import annotations

from edgeq.integers.bounds import implied
from edgeq.integers.graph import IntegerOp
from edgeq.integers.operands import grid_out

#: bounds of a clamp -> value of the schema's enum ActivationFunctionType
FUSED = {(0.0, float("inf")): 1, (-1.0, 1.0): 2, (0.0, 6.0): 3}


def fused(step: IntegerOp) -> int:
    """The fused activation function of a step with a clamp; 0 where none is needed.

    None is needed where the output grid ends at the bounds anyway. The caller has removed clamps
    that TFLite cannot fuse.
    """
    return 0 if step.clamp is None or implied(step.clamp, grid_out(step)) else FUSED[step.clamp]
