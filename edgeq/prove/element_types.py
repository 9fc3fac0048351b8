"""Element types of every value of a graph that onnxruntime has optimized: it saves few of them, and
no other tool knows its operators.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import TensorProto

EIGHT_BITS = frozenset({TensorProto.UINT8, TensorProto.INT8})

#: operators whose outputs have a type of their own
_FIXED: dict[str, tuple[int, ...]] = {
    "DynamicQuantizeLinear": (TensorProto.UINT8, TensorProto.FLOAT, TensorProto.UINT8),
    "ConvInteger": (TensorProto.INT32,),
    "MatMulInteger": (TensorProto.INT32,),
    "MatMulIntegerToFloat": (TensorProto.FLOAT,),
    "QAttention": (TensorProto.FLOAT, TensorProto.FLOAT),
    **dict.fromkeys(("Shape", "Size", "ArgMax", "ArgMin", "NonZero"), (TensorProto.INT64,)),
    **dict.fromkeys(
        ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "And", "Or", "Xor", "IsNaN", "IsInf"), (TensorProto.BOOL,)
    ),
}
#: operators whose output has the type of one input: index of that input; all others follow input 0
_FOLLOWS: dict[str, int] = {
    "QuantizeLinear": 2,
    "DequantizeLinear": 1,
    "QLinearConv": 7,
    "QLinearMatMul": 7,
    "QGemm": 8,
    "QLinearConcat": 1,
    "QLinearWhere": 1,
    "Where": 1,
    "OneHot": 2,
}
#: without that input (it is optional) the output has this type
_WITHOUT: dict[str, int] = {"QuantizeLinear": TensorProto.UINT8, "QGemm": TensorProto.FLOAT}
#: second outputs that hold indices
_INDICES = frozenset({"TopK", "MaxPool", "Unique"})


def element_types(graph: onnx.GraphProto) -> dict[str, int]:
    """Value name -> TensorProto type for the graph and its bodies, as far as known; names must be
    unique over all of them.
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
    """A Loop's body hands out its condition first."""
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
    fixed = _FIXED.get(node.op_type, ())
    if index < len(fixed):
        return fixed[index]
    if node.op_type in _INDICES and index > 0:
        return TensorProto.INT64
    source = _FOLLOWS.get(node.op_type, 0)
    if source < len(node.input) and node.input[source]:
        return types.get(node.input[source])
    return _WITHOUT.get(node.op_type)
