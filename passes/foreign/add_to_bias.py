"""Let a layer with quantized weights take up the constant that is added behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.affine import per_channel
from edgeq.graph.edit import Names, add_constant, drop_unread_constants, retire, take_over
from edgeq.graph.read import attribute_float, is_op, nodes, only_consumer, operator_of, owner, rank
from edgeq.passes.foreign.stored_constants import StoredConstant, output_channels, stored_constant


@dataclass(frozen=True)
class AddToBias(ir.passes.InPlacePass):
    """Merge an Add of one constant per output channel into the bias of the layer before it.

    Before:  f = DequantizeLinear(w, s, z)   m = MatMul(x, f)   y = Add(m, b)
    After:   f = DequantizeLinear(w, s, z)   y = Gemm(x, f, b)

    Only where nothing is quantized between the two, so that no code changes. A MatMul becomes a
    Gemm, where its rank is 2.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        merged = [_merge(model, node, names) for node in list(nodes(model)) if is_op(node, "Add")]
        if any(merged):
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified=any(merged))


def _merge(model: ir.Model, add: ir.Node, names: Names) -> bool:
    for index in (0, 1):
        source, shift = add.inputs[index], stored_constant(add.inputs[1 - index])
        layer = None if source is None or only_consumer(source) is not add else source.producer()
        if source is None or layer is None or shift is None or owner(layer) is not owner(add):
            continue
        bias = _bias(layer, source, shift)
        if bias is None:
            continue
        if is_op(layer, "MatMul"):
            layer.op_type = "Gemm"
        layer.resize_inputs(3)
        stored = add_constant(owner(add), bias, names.value(f"{layer.name}_bias"))
        layer.replace_input_with(2, stored)
        take_over(add.outputs[0], source)
        retire(model, add, f"merged into {layer.name}")
        return True
    return False


def _bias(layer: ir.Node, source: ir.Value, shift: StoredConstant) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    """The layer's bias with the shift, float32 [C]; None: the layer cannot take it up."""
    weight = stored_constant(layer.inputs[1]) if operator_of(layer).layer and len(layer.inputs) > 1 else None
    if weight is None or weight.grid is None or (is_op(layer, "MatMul") and (rank(layer.inputs[0]) != 2 or weight.array.ndim != 2)):
        return None
    if is_op(layer, "Gemm") and attribute_float(layer, "beta", 1.0) != 1.0:
        return None
    channels, size = output_channels(layer, weight.array), rank(source) or weight.array.ndim
    old = stored_constant(layer.inputs[2]) if len(layer.inputs) > 2 else None
    if old is None and len(layer.inputs) > 2 and layer.inputs[2] is not None:
        return None
    before = np.zeros(channels) if old is None else old.real.reshape(-1)
    more = per_channel(np.asarray(shift.real), size, size - 1 if is_op(layer, "Gemm", "MatMul") else 1, channels)
    return None if more is None or before.size not in (1, channels) else np.asarray(before + more, np.float32)
