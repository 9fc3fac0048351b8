"""Infer the element types of all values of a graph that onnxruntime has optimized.

onnxruntime saves few of them, and no other tool knows its operators.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import TensorProto

from edgeq.graph.operator import Operator, RuntimeKernel
from edgeq.graph.operators import OPERATORS, RUNTIME_KERNELS, UNKNOWN

EIGHT_BITS = frozenset({TensorProto.UINT8, TensorProto.INT8})
FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16})

_TYPES = {"int64": TensorProto.INT64, "bool": TensorProto.BOOL}
_DYNAMIC = (TensorProto.UINT8, TensorProto.FLOAT, TensorProto.UINT8)


def element_types(graph: onnx.GraphProto) -> dict[str, int]:
    """Value name -> TensorProto type for the graph and its bodies, as far as known.

    Names must be unique over all of them.
    """
    types: dict[str, int] = {}
    _visit(graph, types)
    return types


def _visit(graph: onnx.GraphProto, types: dict[str, int]) -> None:
    for tensor in graph.initializer:
        types[tensor.name] = tensor.data_type
    for info in (*graph.input, *graph.value_info, *graph.output):
        declared = info.type.tensor_type.elem_type
        if declared:
            types[info.name] = declared
    for node in graph.node:  # topologically sorted
        bodies = [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]
        for body in bodies:
            _visit(body, types)
        for index, name in enumerate(node.output):
            found = _body_type(bodies, index, node.op_type, types) if bodies else _output_type(node, index, types)
            if name and found and name not in types:
                types[name] = found


def _body_type(bodies: list[onnx.GraphProto], index: int, op_type: str, types: Mapping[str, int]) -> int | None:
    """The type of an output of a node with bodies, read from the first body.

    The body of a Loop outputs its condition first.
    """
    outputs = bodies[0].output
    position = index + 1 if op_type == "Loop" else index
    return types.get(outputs[position].name) if position < len(outputs) else None


def _output_type(node: onnx.NodeProto, index: int, types: Mapping[str, int]) -> int | None:
    asked = next((attribute for attribute in node.attribute if attribute.name in ("to", "dtype", "output_dtype") and attribute.i), None)
    if asked is not None:
        return int(asked.i)
    if node.op_type in ("Constant", "ConstantOfShape"):
        tensor = next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)
        return TensorProto.FLOAT if tensor is None else tensor.data_type
    if node.op_type == "DynamicQuantizeLinear":
        return _DYNAMIC[index]
    kernel, operator = RUNTIME_KERNELS.get(node.op_type, (None, UNKNOWN))
    return _operator_type(node, index, types) if kernel is None or not kernel.integer else _kernel_type(node, kernel, operator, types)


def _operator_type(node: onnx.NodeProto, index: int, types: Mapping[str, int]) -> int | None:
    """The type that ONNX specifies for an output.

    It is fixed, or the type of the zero point, of the scale or of the data that is read.
    """
    operator = OPERATORS.get(node.op_type, UNKNOWN)
    if operator.makes is not None or (operator.indices and index > 0):
        return _TYPES[operator.makes or "int64"]
    if node.op_type == "QuantizeLinear":
        return types.get(node.input[2]) if _given(node, 2) else TensorProto.UINT8
    data = (1,) if node.op_type == "DequantizeLinear" else operator.data_of(len(node.input))
    return types.get(node.input[data[0]]) if data else None


def _kernel_type(node: onnx.NodeProto, kernel: RuntimeKernel, operator: Operator, types: Mapping[str, int]) -> int | None:
    """The type of an output of one of onnxruntime's integer kernels.

    Codes have the type of their zero point or, where that is left out, of the codes that are read.
    """
    if kernel.makes == "sums":
        return TensorProto.INT32
    if kernel.scale is not None and _given(node, kernel.scale + 1):
        return types.get(node.input[kernel.scale + 1])
    if kernel.makes != "codes":
        return TensorProto.FLOAT
    return types.get(node.input[kernel.inputs[operator.data_of(len(kernel.inputs))[0]]])


def _given(node: onnx.NodeProto, index: int) -> bool:
    return index < len(node.input) and bool(node.input[index])
