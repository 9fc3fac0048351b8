"""Compute float16, bfloat16 and double networks in float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.forms.constants import tensor_of
from edgeq.graph.read import constant, graphs, is_op, nodes, operator_of
from edgeq.passes.boundary.declared_types import DeclaredTypes, declared_types

_HALF = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
#: attributes that name an element type
_TYPE_ATTRIBUTES = ("to", "dtype")


@dataclass(frozen=True)
class ComputeInFloat32(ir.passes.InPlacePass):
    """Change float tensors of other widths to float32.

    Statistics and integer kernels start from float32, and onnxruntime's CPU provider has hardly any
    kernel for half floats. float16 and bfloat16 always change. Double changes only when a linear
    operator has double weights, since shape arithmetic uses it too.

    Before: `y = Conv(x, w)` on float16
    After:  `x32 = Cast<to=FLOAT>(x)`, `y32 = Conv(x32, w32)`, `y = Cast<to=FLOAT16>(y32)`
    """

    #: whether inputs and outputs keep their types, by Casts; else they are float32 too
    keep_types: bool = True

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        types = _types_to_change(model)
        chosen, inner = _found(model, types)
        if self.keep_types and _is_done(model, chosen, inner):
            return ir.passes.PassResult(model, modified=False)
        declared = declared_types(model)
        for value in chosen:
            _to_float32(value)
        for node in inner:
            _retarget(node, types)
        if self.keep_types:
            DeclaredTypes(declared)(model)
        return ir.passes.PassResult(model, modified=bool(chosen or inner))


def has_other_floats(model: ir.Model) -> bool:
    """Whether the pass, told to keep no types, would change anything."""
    return any(_found(model, _types_to_change(model)))


def _found(model: ir.Model, types: tuple[ir.DataType, ...]) -> tuple[list[ir.Value], list[ir.Node]]:
    """The values of types to change, and the nodes that name such a type."""
    every = (value for graph in graphs(model) for value in _values(graph) if value.dtype in types)
    return [value for value in every if isinstance(value.type, ir.TensorType)], [node for node in nodes(model) if _names_type(node, types)]


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
        value.const_value = tensor_of(value.const_value.numpy().astype(np.float32), value.name)


def _retarget(node: ir.Node, types: tuple[ir.DataType, ...]) -> None:
    for name, attr in list(node.attributes.items()):
        if name in _TYPE_ATTRIBUTES and attr.type == ir.AttributeType.INT and attr.as_int() in [int(kind) for kind in types]:
            node.attributes[name] = ir.AttrInt64(name, int(ir.DataType.FLOAT))
        elif attr.type == ir.AttributeType.TENSOR and attr.as_tensor().dtype in types:
            node.attributes[name] = ir.AttrTensor(name, ir.Tensor(attr.as_tensor().numpy().astype(np.float32)))
