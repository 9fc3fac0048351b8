"""Note in a quantized model that its .tflite file stores weights of 4 bits as INT4.

It runs last, for targets whose runtime has kernels for such weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import constant, is_op, nodes, operator_of
from edgeq.numerics.nibbles import fits
from edgeq.schema.origins import PACKED_KEY


@dataclass(frozen=True)
class NotePacked(ir.passes.InPlacePass):
    """Before: a layer reads a DequantizeLinear of a weight whose codes are all in -8..7. After: the
    metadata of the model say so.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = any(_weight_fits(node) for node in nodes(model) if operator_of(node).layer)
        modified = found and PACKED_KEY not in model.metadata_props
        if modified:
            model.metadata_props[PACKED_KEY] = "int4"
        return ir.passes.PassResult(model, modified)


def _weight_fits(node: ir.Node) -> bool:
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    maker = None if weight is None else weight.producer()
    if maker is None or not is_op(maker, "DequantizeLinear"):
        return False
    codes = constant(maker.inputs[0])
    return codes is not None and fits(codes)
