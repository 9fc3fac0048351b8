"""Store the biases of quantized layers as int32 on the grid of the accumulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.read import is_op, nodes, operator_of
from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.grid import LIMITS, PerChannel, PerTensor, QuantParams
from edgeq.passes.foreign.changes import record
from edgeq.passes.foreign.stored_constants import StoredConstant, accumulator_scale, output_channels, output_step, stored_constant
from edgeq.passes.quantize.qdq import dequantize_constant

#: scales closer than this are one product of two float32 numbers, rounded at different places
_SAME = 1e-6
#: a bias that is closer to a code than this, in codes, is that code
_ON_GRID = 1e-3


@dataclass(frozen=True)
class AccumulatorBiases(ir.passes.InPlacePass):
    """Give each bias the one form that integer kernels take: input scale * weight scale.

    Before:  y = Conv(x_dequantized, w_dequantized, b)
    After:   c = DequantizeLinear <axis = 0> (b_codes, x_scale * w_scale)
             y = Conv(x_dequantized, w_dequantized, c)

    1. A float bias is rounded: the model has no codes for it.
    2. A bias that has codes on another grid gets new ones where those stand for the same numbers.
    3. Otherwise it is left as it is, or rounded with `rounding`.
    4. A bias that does not fit into int32 is left as it is.

    Formula: Jacob et al., arXiv:1712.05877, equation 11.
    """

    #: whether codes on another grid may be rounded
    rounding: bool = False

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in nodes(model) if operator_of(node).layer and len(node.inputs) > 2 and not is_op(node, "MatMul")]
        changed = [self._store(model, node, names) for node in found]
        if any(changed):
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified=any(changed))

    def _store(self, model: ir.Model, node: ir.Node, names: Names) -> bool:
        bias, weight = stored_constant(node.inputs[2]), stored_constant(node.inputs[1])
        scale = None if weight is None else accumulator_scale(node, weight)
        if bias is None or weight is None or scale is None or not np.all(scale > 0) or _stands(bias, scale):
            return False
        channels = output_channels(node, weight.array)
        if bias.array.size not in (1, channels) or (bias.grid is None and bias.array.dtype.kind != "f"):
            return False
        sums = np.broadcast_to(bias.real.reshape(-1), channels) / scale.astype(np.float64)
        codes = np.rint(sums)
        exact = bool(np.abs(codes - sums).max(initial=0) <= _ON_GRID)
        if np.abs(codes).max(initial=0) > LIMITS["int32"][1] or not (exact or bias.grid is None or self.rounding):
            return False
        _told(model, node, bias, np.abs(codes - sums) * scale, exact)
        grid = QuantParams("int32", scale, np.zeros(scale.shape, np.int32), PerChannel(0) if scale.ndim else PerTensor())
        value = node.inputs[2]
        assert value is not None  # it is stored
        made = dequantize_constant(node, codes.astype(np.int32), grid, str(value.name), names)
        node.replace_input_with(2, made)
        return True


def _stands(bias: StoredConstant, scale: F32) -> bool:
    """Whether the bias has the wanted form already."""
    grid = bias.grid
    if grid is None or grid.dtype != "int32" or np.any(grid.zero_point) or grid.scale.size not in (1, scale.size):
        return False
    return bool(np.allclose(grid.scale, scale, rtol=_SAME, atol=0))


def _told(model: ir.Model, node: ir.Node, bias: StoredConstant, errors: F64, exact: bool) -> None:
    step = output_step(node)
    off = 0.0 if exact else float(np.max(errors, initial=0.0))
    steps = off / step if step else 0.0
    if bias.grid is None:
        record(model, "bias_coded", node, "its float bias became int32 codes of input scale * weight scale", steps)
    else:
        how = "stands for the same numbers" if exact else "was rounded"
        record(model, "bias_rounded", node, f"its {bias.grid.dtype} bias moved to the grid of the accumulator and {how}", steps)
