"""Store weights of two levels as one DequantizeLinear behind another, where those are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, drop_unread_constants
from edgeq.graph.read import constant, is_op, nodes, owner
from edgeq.graph.stored import stored
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.formats.format import Stored
from edgeq.numerics.formats.two_level import TwoLevel
from edgeq.passes.store.store_formats import FormatStorage, worth_storing
from edgeq.schema.weights import weight_key

#: the first opset with blocks and with a type of four bits
OPSET = 21


@dataclass(frozen=True)
class StoreScaledScales(ir.passes.InPlacePass):
    """Let a DequantizeLinear compute the scales of another one (Qualcomm's LPBQ).

    Before:  w_d = DequantizeLinear <axis = 1> (w, w_scale, w_zero_point)   y = MatMul(x, w_d)
    After:   s = DequantizeLinear <axis = 1> (w_vector_scales, w_scale, zero)
             w_d = DequantizeLinear <axis = 0, block_size = 16> (w_codes, s, zeros)
             y = MatMul(x, w_d)

    onnxruntime-qnn hands codes of four bits and both levels to the HTP. It does so for a MatMul
    alone: of a Gemm whose weight is [K, N] it makes wrong numbers, and a Gemm with transB = 1 and a
    Conv it does not place (2.7.0, emulator). Only rows that whole vectors fill are changed. All
    else is left to StoreFormats.
    """

    #: "node name:input index" -> how the weight is stored
    storage: Mapping[str, FormatStorage]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, modified = Names(model), False
        for node in list(nodes(model)) if model.opset_imports.get("", 0) >= OPSET else ():
            wanted = self.storage.get(weight_key(node.name, 1))
            dequantize = None if wanted is None or not is_op(node, "MatMul") else _dequantize_of(node)
            if wanted is None or dequantize is None or wanted.axis != 1 or not isinstance(wanted.format, TwoLevel):
                continue
            array = np.asarray(constant(dequantize.inputs[0]))
            small = worth_storing(array, wanted)
            if small is not None and array.ndim == 2 and small.elements.shape[2] % wanted.format.size == 0:
                _replace(dequantize, small, names)
                modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def _dequantize_of(node: ir.Node) -> ir.Node | None:
    """The node that makes a weight of plain int8 codes which nobody else reads."""
    value = node.inputs[1]
    found, maker = stored(value), None if value is None else value.producer()
    if (
        found is None
        or found.initializer is None
        or maker is None
        or not is_op(maker, "DequantizeLinear")
        or len(maker.outputs[0].uses()) != 1
    ):
        return None
    zero = constant(maker.inputs[2]) if len(maker.inputs) > 2 else np.zeros(1)
    plain = maker.inputs[0] is found.initializer and constant(maker.inputs[1]) is not None and zero is not None and not np.any(zero)
    return maker if plain else None


def _replace(dequantize: ir.Node, small: Stored, names: Names) -> None:
    assert isinstance(small.format, TwoLevel)
    graph, weight = owner(dequantize), dequantize.inputs[0]
    assert weight is not None
    stem = str(weight.name)
    codes, scales = small.elements[0].T, np.asarray(small.scales[1][0], np.uint8).T  # [K, N], [B, N]

    def added(array: AnyArray, word: str) -> ir.Value:
        return add_constant(graph, np.ascontiguousarray(array), names.value(f"{stem}_{word}"))

    kind = ir.DataType.INT4.numpy()
    inner = [added(scales, "vector_scales"), dequantize.inputs[1], added(np.zeros(small.elements.shape[1], np.uint8), "vector_zero_point")]
    made = ir.Value(name=names.value(f"{stem}_scales"), type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(scales.shape))
    graph.insert_before(dequantize, ir.Node("", "DequantizeLinear", inner, [ir.AttrInt64("axis", 1)], outputs=[made]))
    dequantize.resize_inputs(3)
    for index, value in enumerate((added(codes.astype(kind), "codes"), made, added(np.zeros(scales.shape, kind), "zero_point"))):
        dequantize.replace_input_with(index, value)
    dequantize.attributes.clear()
    for name, number in (("axis", 0), ("block_size", small.format.size)):
        dequantize.attributes.add(ir.AttrInt64(name, number))
