"""Rules about constants behind a DequantizeLinear that onnxruntime refuses, or never folds.

It folds Cast, Mul and Gather of constants when it loads a model, but no DequantizeLinear: those
that no integer kernel takes in run at every inference, on the whole weight. It has no kernel at all
for E8M0 scales and for floats of four and six bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeq.graph.read import attribute_int, constant, is_op, nodes
from edgeq.integers.legality.violation import Violation
from edgeq.runtimes.table import DEFAULT
from edgeq.schema.target import Target

#: types that onnxruntime's CPU kernels of DequantizeLinear do not take
_REFUSED = {
    ir.DataType.FLOAT8E8M0: "E8M0 scales",
    ir.DataType.FLOAT4E2M1: "floats of four bits",
    ir.DataType.FLOAT6E2M3: "floats of six bits",
    ir.DataType.FLOAT6E3M2: "floats of six bits",
}
#: floats of eight bits, which no integer kernel takes
_BYTES = {ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT8E4M3FNUZ, ir.DataType.FLOAT8E5M2, ir.DataType.FLOAT8E5M2FNUZ}
#: where the facts of onnxruntime come from
SOURCE = "measured on onnxruntime 1.32"


def dequantize_rules(model: ir.Model, target: Target) -> Iterator[Violation]:
    """What the target's onnxruntime refuses or runs at every inference, node by node.

    Empty for targets of other runtimes.
    """
    if target.runtime != DEFAULT:
        return
    for node in nodes(model):
        if is_op(node, "DequantizeLinear"):
            yield from _refused(node)
            yield from _never_folded(node)


def _refused(node: ir.Node) -> Iterator[Violation]:
    for value in node.inputs[:2]:
        word = None if value is None or value.dtype is None else _REFUSED.get(value.dtype)
        if word is not None:
            fact = "onnxruntime's CPU provider has no kernel for it and does not load the model"
            fix = "Store the weight with edgeq palettize --format, whose Cast, Gather and Mul are folded; for FP8, --typed keeps the types."
            yield Violation(str(node.name), node.op_type, "dequantize_type", f"it dequantizes {word}", fact, SOURCE, fix)
            return


def _never_folded(node: ir.Node) -> Iterator[Violation]:
    data = node.inputs[0]
    if data is None or constant(data) is None:
        return
    fact = "onnxruntime folds no DequantizeLinear: it runs at every inference, and its layer in float"
    if data.dtype in _BYTES:
        fix = "Store the weight as a Cast and a Mul, which onnxruntime folds: edgeq palettize --format mxfp8_e4m3."
        observed = "a constant of eight-bit floats is dequantized"
        yield Violation(str(node.name), node.op_type, "never_folded", observed, fact, SOURCE, fix, breaks="warning")
    elif attribute_int(node, "block_size", 0) and any(_reads_codes(use.node, node.outputs[0]) for use in node.outputs[0].uses()):
        fix = "Quantize the float model with edgeq quantize --format two_level:16, whose blocks run in integer kernels."
        observed = "a constant in blocks meets quantized activations"
        yield Violation(str(node.name), node.op_type, "never_folded", observed, fact, SOURCE, fix, breaks="warning")


def _reads_codes(node: ir.Node, weight: ir.Value) -> bool:
    """Whether a node reads, beside the weight, a value that is dequantized at run time."""
    others = [value.producer() for value in node.inputs if value is not None and value is not weight]
    return any(is_op(one, "DequantizeLinear") and constant(one.inputs[0]) is None for one in others if one is not None)
