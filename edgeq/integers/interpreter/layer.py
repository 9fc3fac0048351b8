"""The last step of a layer with weights: add the bias to int32 sums and requantize per channel."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine, along, out_scale
from edgeq.integers.operands import grid_in
from edgeq.integers.weights import bias_codes
from edgeq.numerics.arrays import F64
from edgeq.numerics.grid import QuantParams


def finish_layer(machine: Machine, step: IntegerOp, sums: F64, weight: QuantParams, axis: int) -> None:
    """Add the bias to sums of products, requantize, and store the result.

    sums: whole numbers in float64 (exact up to 2^53), with the output channels along `axis`.
    weight: the grid of the weight, per tensor or per channel.
    """
    bias, _ = bias_codes(step, sums.shape[axis], weight)
    factor = np.atleast_1d(float(grid_in(step).scale) * weight.scale.astype(np.float64) / out_scale(step))
    whole = sums + along(axis, sums.ndim, bias.astype(np.float64))
    machine.finish(step, machine.products(step, whole, along(axis, sums.ndim, factor)))
