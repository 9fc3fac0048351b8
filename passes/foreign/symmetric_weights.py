"""Store the weights of quantized layers as int8 with zero point 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.read import is_op, nodes, operator_of
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import LIMITS, PerChannel, QuantParams, dequantize, quantize
from edgeq.passes.foreign.changes import record
from edgeq.passes.foreign.stored_constants import StoredConstant, output_axis, stored_constant
from edgeq.passes.quantize.qdq import dequantize_constant

_LARGEST = LIMITS["int8"][1]


@dataclass(frozen=True)
class SymmetricWeights(ir.passes.InPlacePass):
    """Subtract the zero point from the codes where the result fits into -127..127.

    Before:  f = DequantizeLinear(w, s, z)   w: uint8   y = Conv(x_dequantized, f)
    After:   f = DequantizeLinear(w2, s, 0)  w2: int8   y = Conv(x_dequantized, f)

    1. uint8 codes around 128, 4-bit codes, and others that fit stand for the same numbers then.
    2. What does not fit, scales along another axis than that of the outputs, and float weights of a
       layer with a quantized input are left as they are; with `rounding` they get one symmetric
       grid per output channel, the narrowest that holds them.
    """

    #: whether weights may be rounded anew
    rounding: bool = False

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = [self._store(model, node, names) for node in list(nodes(model)) if operator_of(node).layer and len(node.inputs) > 1]
        if any(changed):
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified=any(changed))

    def _store(self, model: ir.Model, node: ir.Node, names: Names) -> bool:
        source, value = node.inputs[0], node.inputs[1]
        weight = stored_constant(value)
        if value is None or weight is None or weight.array.ndim < 2 or source is None or not is_op(source.producer(), "DequantizeLinear"):
            return False
        grid, axis = weight.grid, output_axis(node, weight.array.ndim)
        if grid is not None and _stands(weight.array, grid, axis):
            return False
        made = None if grid is None or not _on_axis(grid, weight.array, axis) else _shifted(weight.array, grid)
        if made is not None:
            record(model, "weight_shifted", node, f"its {weight.array.dtype} weight became int8 with zero point 0: the same numbers", 0.0)
        elif self.rounding and (grid is not None or weight.array.dtype.kind == "f"):
            made = _rounded(weight, axis)
            record(model, "weight_rounded", node, *_told(weight, made))
        if made is None:
            return False
        node.replace_input_with(1, dequantize_constant(node, *made, str(value.name), names))
        return True


def _stands(codes: AnyArray, grid: QuantParams, axis: int) -> bool:
    plain = grid.dtype == "int8" and not np.any(grid.zero_point) and not np.any(codes == -128)
    return plain and _on_axis(grid, codes, axis)


def _on_axis(grid: QuantParams, codes: AnyArray, axis: int) -> bool:
    return not isinstance(grid.granularity, PerChannel) or grid.granularity.axis % codes.ndim == axis


def _shifted(codes: AnyArray, grid: QuantParams) -> tuple[AnyArray, QuantParams] | None:
    zero = grid.zero_point.astype(np.int32)
    if isinstance(grid.granularity, PerChannel):
        shape = [1] * codes.ndim
        shape[grid.granularity.axis] = -1
        zero = zero.reshape(shape)
    moved = codes.astype(np.int32) - zero
    if np.abs(moved).max(initial=0) > _LARGEST:
        return None
    return moved.astype(np.int8), QuantParams("int8", grid.scale, np.zeros(grid.scale.shape, np.int32), grid.granularity)


def _rounded(weight: StoredConstant, axis: int) -> tuple[AnyArray, QuantParams]:
    real = weight.real.astype(np.float32)
    others = tuple(place for place in range(real.ndim) if place != axis)
    largest = np.abs(real).max(others)
    scale = np.asarray(np.where(largest > 0, largest / _LARGEST, 1.0), np.float32)
    grid = QuantParams("int8", scale, np.zeros(scale.shape, np.int32), PerChannel(axis), narrow=True)
    return quantize(real, grid), grid


def _told(weight: StoredConstant, made: tuple[AnyArray, QuantParams]) -> tuple[str, float]:
    """What was rounded, and the largest difference in steps of the grid that it had."""
    codes, grid = made
    off = np.abs(dequantize(codes, grid).astype(np.float64) - weight.real).max(initial=0.0)
    step = float(np.max(grid.scale if weight.grid is None else weight.grid.scale))
    was = "float" if weight.grid is None else f"{weight.grid.dtype}"
    return f"its {was} weight was rounded to int8 with zero point 0, one scale an output", float(off / step)
