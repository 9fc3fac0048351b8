"""Rules about constants that onnxruntime refuses, never folds, or computes wrongly.

It folds Cast, Mul and Gather of constants when it loads a model, but no DequantizeLinear: those
that no integer kernel takes in run at every inference, on the whole weight. It has no kernel at all
for E8M0 scales and for floats of four and six bits. Whatever is computed from constants alone, it
folds only below 1 GB a node.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import onnx_ir as ir

from edgeq.graph.read import attribute_int, constant, is_op, is_random, nodes, operator_of
from edgeq.graph.stored import stored
from edgeq.integers.legality.violation import Violation
from edgeq.numerics.codebook import FOLDED_BYTES
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
QNN, QNN_SOURCE = "qnn", "measured on the HTP emulator of onnxruntime-qnn 2.7.0"


def dequantize_rules(model: ir.Model, target: Target) -> Iterator[Violation]:
    """What the target's onnxruntime refuses, runs at every inference or gets wrong, node by node.

    Empty for targets of other runtimes.
    """
    for node in nodes(model):
        if target.runtime == QNN:
            yield from _two_levels_turned(node)
        if target.runtime != DEFAULT:
            continue
        if is_op(node, "DequantizeLinear"):
            yield from _refused(node)
            yield from _never_folded(node)
        else:
            yield from _without_zero_point(node)
            yield from _too_large(node)


def _without_zero_point(node: ir.Node) -> Iterator[Violation]:
    weight = stored(node.inputs[1]) if is_op(node, "Gemm") else None
    if weight is None or weight.scale is None or weight.zero_point is not None or constant(weight.codes) is None:
        return
    fact = "onnxruntime fuses no Gemm with a weight like that: it runs in float"
    fix = "Give its DequantizeLinear a zero point of 0, or quantize the float model with edgeq quantize."
    observed = "the DequantizeLinear of its weight has no zero point"
    yield Violation(str(node.name), node.op_type, "no_zero_point", observed, fact, SOURCE, fix, breaks="warning")


def _too_large(node: ir.Node) -> Iterator[Violation]:
    """A node of constants, or of what is folded before it, whose result is too large for that."""
    result = node.outputs[0] if node.outputs else None
    if result is None or result.dtype is None or result.shape is None or not result.shape.is_static():
        return
    size = math.prod(result.shape.numpy()) * result.dtype.bitwidth // 8
    if size > FOLDED_BYTES and _of_constants(node):
        fact = f"onnxruntime folds nodes of up to {FOLDED_BYTES >> 30} GiB: it runs at every inference"
        fix = "Write the weights out: edgeq materialize."
        observed = f"{size / (1 << 30):.1f} GiB are computed from constants"
        yield Violation(str(node.name), node.op_type, "never_folded", observed, fact, SOURCE, fix, breaks="warning")


def _of_constants(node: ir.Node) -> bool:
    """Whether all inputs of a node are known before any run, through chains of nodes."""
    waiting, seen = [node], {node}
    while waiting:
        here = waiting.pop()
        if is_random(here) or operator_of(here).control:
            return False
        for value in here.inputs:
            maker = None if value is None else value.producer()
            if value is not None and maker is None and constant(value) is None:
                return False
            if maker is not None and maker not in seen:
                seen.add(maker)
                waiting.append(maker)
    return bool(node.inputs)


def _two_levels_turned(node: ir.Node) -> Iterator[Violation]:
    """Scales that are dequantized themselves (LPBQ), of a Gemm whose weight is [K, N]."""
    weight = stored(node.inputs[1]) if is_op(node, "Gemm") and not attribute_int(node, "transB", 0) else None
    maker = None if weight is None or weight.scale is None else weight.scale.producer()
    if maker is None or not is_op(maker, "DequantizeLinear"):
        return
    fact = "onnxruntime-qnn takes it and computes wrong numbers (10 dB)"
    fix = "Quantize the float model with edgeq quantize --format two_level:16, which stores this weight as nodes that are folded."
    observed = "its weight [K, N] has scales that are dequantized themselves (LPBQ)"
    yield Violation(str(node.name), node.op_type, "two_levels_turned", observed, fact, QNN_SOURCE, fix)


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
