"""Turn weights whose scales are dequantized themselves (LPBQ) into int8 codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, drop_unread_constants
from edgeq.graph.read import attribute_int, constant, is_op, nodes, owner
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True)
class FoldScaledScales(ir.passes.InPlacePass):
    """Replace a DequantizeLinear of another one's scales by one with a scale for each channel.

    Before:  s = DequantizeLinear <axis = 1> (w_vector_scales, w_scale, zero)
             w_d = DequantizeLinear <axis = 0, block_size = 16> (w_codes, s, zeros)
    After:   w_d = DequantizeLinear <axis = 1> (w, w_scale, w_zero_point)

    w is the product of codes and scales of vectors where these fit in int8. All that a reader of
    integer models knows of channels then holds for it as well.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, modified = Names(model), False
        for node in [node for node in nodes(model) if is_op(node, "DequantizeLinear") and attribute_int(node, "block_size", 0)]:
            inner = None if node.inputs[1] is None else node.inputs[1].producer()
            codes = None if inner is None or not is_op(inner, "DequantizeLinear") else _codes(node, inner)
            if inner is None or codes is None:
                continue
            graph, stem, axis = owner(node), str(node.inputs[0].name if node.inputs[0] else ""), attribute_int(inner, "axis", 1)
            made = add_constant(graph, codes, names.value(f"{stem}_int8"))
            zero = add_constant(graph, np.zeros(codes.shape[axis], np.int8), names.value(f"{stem}_zero_point"))
            node.resize_inputs(3)
            for index, value in enumerate((made, inner.inputs[1], zero)):
                node.replace_input_with(index, value)
            node.attributes.pop("block_size")
            node.attributes.add(ir.AttrInt64("axis", axis))
            if not inner.outputs[0].uses():
                owner(inner).remove(inner, safe=True)
            modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def _codes(outer: ir.Node, inner: ir.Node) -> AnyArray | None:
    """The int8 codes of a matrix; None where zero points, shapes or sizes are others."""
    codes, scales, channel = constant(outer.inputs[0]), constant(inner.inputs[0]), constant(inner.inputs[1])
    if codes is None or scales is None or channel is None or codes.ndim != 2 or channel.ndim != 1:
        return None
    if any(len(node.inputs) > 2 and node.inputs[2] is not None and not _is_zero(node.inputs[2]) for node in (outer, inner)):
        return None
    axis, size, own = attribute_int(outer, "axis", 1), attribute_int(outer, "block_size", 0), attribute_int(inner, "axis", 1)
    if {axis, own} != {0, 1} or codes.shape[axis] > size * scales.shape[axis] or codes.shape[own] != scales.shape[own]:
        return None
    wide = np.repeat(scales.astype(np.int64), size, axis=axis)
    product = codes.astype(np.int64) * (wide[: codes.shape[0]] if axis == 0 else wide[:, : codes.shape[1]])
    return product.astype(np.int8) if not product.size or np.abs(product).max() <= 127 else None


def _is_zero(value: ir.Value | None) -> bool:
    array = constant(value)
    return array is not None and not np.any(array.astype(np.int64))
