"""Explain why onnxruntime computes a node in float.

The rules are facts about what its CPU provider fuses into integer kernels, from
onnxruntime/core/optimizer/qdq_transformer/selectors_actions; each is confirmed by reading graphs
back (tests/proof/test_why_float.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_float, constant, is_op, operator_of
from edgeq.graph.stored import stored
from edgeq.numerics.arrays import F64
from edgeq.numerics.grid import LIMITS
from edgeq.proof.read_back import RanKernel

_WIDE = {ir.DataType.INT16: "16-bit", ir.DataType.UINT16: "16-bit", ir.DataType.INT4: "4-bit", ir.DataType.UINT4: "4-bit"}


def why_float(node: ir.Node, kernel: RanKernel) -> str:
    """The reason, in one clause, why onnxruntime left a node of a model in Q/DQ form in float.

    It names no values and no other nodes, so that nodes with one cause have one reason.
    """
    if kernel.runs == "control":
        return "control flow; the nodes of its bodies are listed by themselves"
    if kernel.runs == "other":
        return "works on integers or booleans (shapes, indices): nothing to quantize"
    if kernel.op_type == "MatMulNBits":
        return "onnxruntime runs it as MatMulNBits, on activations that are quantized to 8 bits in blocks"
    if is_op(node, "DynamicQuantizeLinear"):
        return "measures and quantizes its input at every run (dynamic quantization)"
    operator = operator_of(node)
    if not operator.fuses and operator.on_codes != "fused":
        return _no_kernel(node)
    checks: tuple[Callable[[ir.Node], str | None], ...] = (_inputs, _attributes, _bias, _output, _grids)
    found = next((reason for check in checks if (reason := check(node)) is not None), None)
    return found or "onnxruntime left it in float; no rule that edgeq knows explains it"


def _no_kernel(node: ir.Node) -> str:
    if is_op(node, "Cast"):
        return "converts between element types"
    if operator_of(node).on_codes == "taken":
        return _inputs(node) or f"onnxruntime does not fuse {node.op_type} between Dequantize and Quantize"
    if operator_of(node).control:
        return "control flow; the nodes of its bodies are listed by themselves"
    return f"onnxruntime has no integer kernel for {node.op_type}"


def _inputs(node: ir.Node) -> str | None:
    for index in operator_of(node).data_of(len(node.inputs)):
        value = node.inputs[index]
        found = stored(value)
        if value is None or found is None:
            continue
        if found.scale is None:
            kind = "constant " if constant(value) is not None else ""
            return f"its {kind}input {index} is not quantized"
        if found.dtype in _WIDE:
            return f"its input {index} has {_WIDE[found.dtype]} codes; the integer kernels take 8 bits"
        if found.block_size:
            return f"its input {index} is quantized in blocks"
        if found.codes.dtype == ir.DataType.INT32:
            return f"its input {index} has 32-bit codes; the integer kernels take 8 bits"
        if found.zero_point is None and is_op(node, "Gemm"):
            return f"the DequantizeLinear of its input {index} has no zero point, without which onnxruntime fuses no Gemm"
    return None


def _bias(node: ir.Node) -> str | None:
    """The reason when the bias prevents an integer kernel.

    A bias must be int32 with scale = input scale * weight scale. A float bias is no obstacle:
    onnxruntime quantizes it.
    """
    at = operator_of(node).bias
    bias = stored(node.inputs[at]) if at is not None and at < len(node.inputs) else None
    if bias is None or bias.scale is None:
        return None
    scales = [_scale(item) for item in node.inputs[:3]]
    if bias.dtype not in (ir.DataType.INT32, None):
        return "its bias is quantized, but not to int32"
    if any(scale is None for scale in scales):
        return None
    x, w, b = scales
    assert x is not None and w is not None and b is not None
    return None if np.allclose(b, x * w, rtol=1e-3, atol=0) else "the scale of its bias is not input scale times weight scale"


def _attributes(node: ir.Node) -> str | None:
    if is_op(node, "Gemm") and (attribute_float(node, "beta", 1.0) != 1.0 or attribute_float(node, "alpha", 1.0) != 1.0):
        return "its alpha or beta is not 1"
    if is_op(node, "Resize") and node.attributes.get_string("mode", "nearest") != "nearest":
        return "Resize interpolates: only mode nearest moves integers as they are"
    return None


def _output(node: ir.Node) -> str | None:
    if operator_of(node).hands_out_reals:
        return None
    value = node.outputs[0]
    if value.is_graph_output():
        return "its output is a graph output and not quantized"
    readers = [use.node for use in value.uses()]
    if len(readers) == 1 and is_op(readers[0], "Relu", "Clip"):
        return _activation(readers[0])
    loose = next((reader for reader in readers if not is_op(reader, "QuantizeLinear")), None)
    if loose is not None:
        return f"its output is read in float by a {loose.op_type}"
    return None if readers else "nothing reads its output"


def _activation(node: ir.Node) -> str | None:
    """The reason when the Relu or Clip behind a node prevents an integer kernel.

    Conv -> Relu -> Quantize fuses only when the grid itself cuts off at 0: its zero point must be
    the lowest code.
    """
    value = node.outputs[0]
    quantizers = [use.node for use in value.uses() if is_op(use.node, "QuantizeLinear")]
    if value.is_graph_output() or len(quantizers) != len(value.uses()) or not quantizers:
        return f"the output of the {node.op_type} after it is not quantized"
    zero = constant(quantizers[0].inputs[2] if len(quantizers[0].inputs) > 2 else None)
    code, lowest = (0, 0) if zero is None else (int(zero.astype(np.int64).flat[0]), LIMITS.get(str(zero.dtype), (0, 0))[0])
    if code != lowest:
        return f"the zero point {code} after its {node.op_type} does not make the {node.op_type} redundant (it would have to be {lowest})"
    return None if is_op(node, "Relu") else f"the grid after its {node.op_type} reaches beyond the bounds of the {node.op_type}"


def _grids(node: ir.Node) -> str | None:
    if operator_of(node).on_codes != "fused":
        return None
    source = node.inputs[0]
    maker = None if source is None else source.producer()
    for use in node.outputs[0].uses():
        if maker is not None and is_op(use.node, "QuantizeLinear") and not _same_grid(maker, use.node):
            return "the scale or zero point of its output is not that of its input"
    return None


def _same_grid(one: ir.Node, other: ir.Node) -> bool:
    pairs = [(constant(node.inputs[1]), constant(node.inputs[2] if len(node.inputs) > 2 else None)) for node in (one, other)]
    return all(a is b or (a is not None and b is not None and np.array_equal(a, b)) for a, b in zip(*pairs, strict=True))


def _scale(value: ir.Value | None) -> F64 | None:
    found = stored(value)
    array = None if found is None else constant(found.scale)
    return None if array is None else array.astype(np.float64)
