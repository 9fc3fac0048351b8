"""Compute float16, bfloat16 and double networks in float32, with a Cast at inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import constant, graphs, is_op, nodes, operator_of

_HALF = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
#: attributes that name an element type
_TYPE_ATTRIBUTES = ("to", "dtype")


@dataclass(frozen=True)
class ComputeInFloat32(ir.passes.InPlacePass):
    """Change float tensors of other widths to float32; inputs and outputs keep their types.

    Statistics and integer kernels start from float32, and onnxruntime's CPU provider has hardly any
    kernel for half floats. float16 and bfloat16 always change. Double changes only when a linear
    operator has double weights, since shape arithmetic uses it too.

    Before: `y = Conv(x, w)` on float16
    After:  `x32 = Cast<to=FLOAT>(x)`, `y32 = Conv(x32, w32)`, `y = Cast<to=FLOAT16>(y32)`
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        types = _types_to_change(model)
        every = [value for graph in graphs(model) for value in _values(graph) if isinstance(value.type, ir.TensorType)]
        edges = [value for value in (*model.graph.inputs, *model.graph.outputs) if value.dtype in types]
        chosen = [value for value in every if value.dtype in types]
        inner = [node for node in nodes(model) if _names_type(node, types)]
        if _is_done(model, chosen, inner):
            return ir.passes.PassResult(model, modified=False)
        names = Names(model)
        kept = {id(value): value.dtype for value in edges}
        for value in chosen:
            _to_float32(value)
        for node in inner:
            _retarget(node, types)
        for value in model.graph.inputs:
            if id(value) in kept:
                _cast_input(model, value, kept[id(value)], names)
        for index, value in enumerate(list(model.graph.outputs)):
            if id(value) in kept:
                _cast_output(model, index, value, kept[id(value)], names)
        return ir.passes.PassResult(model, modified=True)


def _types_to_change(model: ir.Model) -> tuple[ir.DataType, ...]:
    linear = (node for node in nodes(model) if operator_of(node).layer)
    double = any((array := constant(value)) is not None and array.dtype == np.float64 for node in linear for value in node.inputs)
    return (*_HALF, ir.DataType.DOUBLE) if double else _HALF


def _values(graph: ir.Graph) -> list[ir.Value]:
    """Every value that the graph defines, each once."""
    initializers = (value for value in graph.initializers.values() if not value.is_graph_input())
    return [*graph.inputs, *initializers, *(value for node in graph for value in node.outputs)]


def _names_type(node: ir.Node, types: tuple[ir.DataType, ...]) -> bool:
    if any(node.attributes.get_int(name, 0) in [int(kind) for kind in types] for name in _TYPE_ATTRIBUTES if name in node.attributes):
        return True
    return any(attr.type == ir.AttributeType.TENSOR and attr.as_tensor().dtype in types for attr in node.attributes.values())


def _is_done(model: ir.Model, chosen: list[ir.Value], inner: list[ir.Node]) -> bool:
    """Whether only casts at inputs and outputs are left, as this pass leaves them."""
    for value in chosen:
        is_input = value.is_graph_input() and value.graph is model.graph and all(is_op(use.node, "Cast") for use in value.uses())
        if not is_input and not (value.is_graph_output() and value.graph is model.graph and is_op(value.producer(), "Cast")):
            return False
    return all(is_op(node, "Cast") and node.outputs[0].is_graph_output() and node.graph is model.graph for node in inner)


def _to_float32(value: ir.Value) -> None:
    value.type = ir.TensorType(ir.DataType.FLOAT)  # not value.dtype: a clone may share the type object
    if value.const_value is not None:
        value.const_value = ir.tensor(value.const_value.numpy().astype(np.float32), name=value.name)


def _retarget(node: ir.Node, types: tuple[ir.DataType, ...]) -> None:
    for name, attr in list(node.attributes.items()):
        if name in _TYPE_ATTRIBUTES and attr.type == ir.AttributeType.INT and attr.as_int() in [int(kind) for kind in types]:
            node.attributes[name] = ir.AttrInt64(name, int(ir.DataType.FLOAT))
        elif attr.type == ir.AttributeType.TENSOR and attr.as_tensor().dtype in types:
            node.attributes[name] = ir.AttrTensor(name, ir.tensor(attr.as_tensor().numpy().astype(np.float32)))


def _cast(source: ir.Value, target: ir.Value, kind: ir.DataType, name: str) -> ir.Node:
    target.type, target.shape = ir.TensorType(kind), source.shape
    return ir.Node("", "Cast", [source], [ir.AttrInt64("to", int(kind))], outputs=[target], name=name)


def _cast_input(model: ir.Model, value: ir.Value, kind: ir.DataType | None, names: Names) -> None:
    assert kind is not None
    value.type = ir.TensorType(kind)
    wide = ir.Value(name=names.value(f"{value.name}_float32"))
    value.replace_all_uses_with(wide, replace_graph_outputs=True)
    node = _cast(value, wide, ir.DataType.FLOAT, names.node(f"{value.name}_to_float32"))
    first = next(iter(model.graph), None)
    model.graph.append(node) if first is None else model.graph.insert_before(first, node)


def _cast_output(model: ir.Model, index: int, value: ir.Value, kind: ir.DataType | None, names: Names) -> None:
    assert kind is not None
    source = model.graph.outputs[index]
    name = value.name or f"output_{index}"
    narrow = ir.Value(name=name)
    if source is value:  # else the output is also a graph input, and its float32 copy is here already
        ir.convenience.rename_values([value], [names.value(f"{name}_float32")])
    model.graph.append(_cast(source, narrow, kind, names.node(f"{name}_from_float32")))
    model.graph.outputs[index] = narrow
