"""Let QuantizeLinear and DequantizeLinear of onnxruntime's own domain be those of ONNX."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import constant, nodes, operator_of

_DOMAIN = "com.microsoft"
#: types of zero points that ONNX's own operators take in every opset: those of 16 bits came with 21
_TYPES = ("int8", "uint8", "int4", "uint4", "int32")


@dataclass(frozen=True)
class OnnxOwnQdq(ir.passes.InPlacePass):
    """Take the domain off the nodes that compute the same in ONNX: those of 8 and of 32 bits.

    Before:  q = com.microsoft.QuantizeLinear(x, s, z)
    After:   q = QuantizeLinear(x, s, z)

    onnxruntime's quantizer writes them where a model has 16-bit codes, or is older than opset 10.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in nodes(model) if node.domain == _DOMAIN and _converts(node)]
        for node in found:
            node.domain = ""
        return ir.passes.PassResult(model, modified=bool(found))


def _converts(node: ir.Node) -> bool:
    """Whether it is one of the two, with a zero point of a type that edgeq knows."""
    own = ir.Node("", node.op_type, [])
    zero = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return operator_of(own).converts and zero is not None and str(zero.dtype) in _TYPES
