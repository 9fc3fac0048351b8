"""The constant weight and bias of a layer as codes."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.operands import grid_in, grid_out, refused
from edgeq.integers.signed import signed, signed_codes
from edgeq.numerics.arrays import I32, I64, AnyArray
from edgeq.numerics.grid import QuantParams


def weight_of(step: IntegerOp) -> tuple[AnyArray, QuantParams]:
    """The weight as int8 codes, and its grid with zero point 0.

    Raises UnsupportedOp for a weight that is computed, not 8 bits wide, or has another zero point.
    """
    weight = step.inputs[1] if len(step.inputs) > 1 else None
    if weight is None or weight.data is None or weight.grid is None or weight.data.dtype not in (np.int8, np.uint8):
        raise refused(step, "its weight is not a constant of 8 bits")
    grid = signed(weight.grid)
    if np.any(grid.zero_point):
        raise refused(step, "its weight has a zero point other than 0")
    grid_out(step)
    return signed_codes(weight.data), grid


def bias_codes(step: IntegerOp, channels: int, weight: QuantParams) -> tuple[I32 | I64, QuantParams]:
    """The bias [channels] at input scale * weight scale, and its grid.

    int32, or int64 where the input has 16 bits: kernels add such products in 64 bits. Zeros where
    there is no bias. Raises UnsupportedOp for a bias that is computed, has another scale, or does
    not fit.
    """
    source = grid_in(step)
    wide = source.dtype == "int16"
    scale = np.atleast_1d(np.float32(source.scale) * weight.scale)
    shaped = scale if weight.scale.ndim else scale[0]
    grid = QuantParams("int64" if wide else "int32", shaped, np.zeros(weight.scale.shape, np.int32), weight.granularity)
    operand = step.inputs[2] if len(step.inputs) > 2 else None
    if operand is None:
        return np.zeros(channels, np.int64) if wide else np.zeros(channels, np.int32), grid
    if operand.data is None:
        raise refused(step, "its bias is not constant")
    if operand.grid is None:
        data = np.asarray(np.rint(operand.data.astype(np.float64).reshape(-1) / scale), np.int64)
    else:
        if not np.allclose(operand.grid.scale, grid.scale, rtol=1e-3, atol=0):
            raise refused(step, "the scale of its bias is not input scale * weight scale")
        data = operand.data.astype(np.int64).reshape(-1)
    data = np.broadcast_to(data, channels)
    if np.abs(data).max(initial=0) >= 2 ** (47 if wide else 31):
        raise refused(step, f"its bias does not fit into {grid.dtype}")
    return np.array(data, np.int64) if wide else np.array(data, np.int32), grid
