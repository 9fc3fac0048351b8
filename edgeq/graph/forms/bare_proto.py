"""A model as the protobuf message that runtimes and onnx's inference compute with.

onnx_ir's own serialization takes ten times as long: it keeps all notes that a file may hold, and
makes the type of every value anew. Nothing that is written for users is made here.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx
import onnx_ir as ir

#: a type, and the sizes of a tensor of it; names of dimensions in place of those that are open
_Kind = tuple[int, tuple[int | str | None, ...] | None]


def bare_proto(
    model: ir.Model, *, inputs: Iterable[ir.Value] | None = None, initializers: Iterable[ir.Value] | None = None
) -> onnx.ModelProto:
    """The message without documentation, denotations, and notes on nodes and values.

    inputs, initializers: in place of the model's own.
    """
    proto = onnx.ModelProto(ir_version=model.ir_version)
    onnx.helper.set_model_props(proto, dict(sorted(model.metadata_props.items())))
    proto.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in sorted(model.opset_imports.items()))
    proto.graph.name = model.graph.name or ""
    kinds = _Kinds()
    shown = list(model.graph.inputs if inputs is None else inputs)
    for value in shown:
        kinds.fill(proto.graph.input.add(), value)
    named = {value.name for value in shown}
    for value in model.graph.initializers.values() if initializers is None else initializers:
        if value.const_value is not None:
            _fill_tensor(proto.graph.initializer.add(), value, value.const_value)
        if value.name not in named and value.type is not None:
            kinds.fill(proto.graph.value_info.add(), value)
    nodes, infos = proto.graph.node, proto.graph.value_info
    for node in model.graph:
        _fill_node(nodes.add(), node)
        for value in node.outputs:
            if value.type is not None and value.name and not value.is_graph_output():
                kinds.fill(infos.add(), value)
    for value in model.graph.outputs:
        kinds.fill(proto.graph.output.add(), value)
    for function in model.functions.values():
        ir.serde.serialize_function_into(proto.functions.add(), function)
    return proto


class _Kinds:
    """The types of values as messages, each of which is made once: networks repeat a few."""

    def __init__(self) -> None:
        self._made: dict[_Kind, onnx.TypeProto] = {}

    def fill(self, info: onnx.ValueInfoProto, value: ir.Value) -> None:
        """Write the name and the type of a value."""
        info.name = str(value.name)
        if type(value.type) is not ir.TensorType:
            if value.type is not None:
                ir.serde.serialize_value_into(info, value)
            return
        shape = value.shape
        sizes = None if shape is None else tuple([size if isinstance(size, int) else size.value for size in shape.dims])
        kind = (value.type.dtype.value, sizes)
        made = self._made.get(kind)
        if made is None:
            made = self._made[kind] = onnx.helper.make_tensor_type_proto(*kind)
        info.type.CopyFrom(made)


def _fill_tensor(proto: onnx.TensorProto, value: ir.Value, tensor: ir.TensorProtocol) -> None:
    ir.serde.serialize_tensor_into(proto, tensor)
    proto.name = str(value.name)


def _fill_node(proto: onnx.NodeProto, node: ir.Node) -> None:
    proto.op_type = node.op_type
    if node.name:
        proto.name = node.name
    if node.domain:
        proto.domain = node.domain
    if node.overload:
        proto.overload = node.overload
    proto.input.extend(["" if value is None else str(value.name) for value in node.inputs])
    outputs = [value.name or "" for value in node.outputs]
    while outputs and not outputs[-1]:
        outputs.pop()
    proto.output.extend(outputs)
    for attribute in node.attributes.data.values():
        if attribute.is_ref():
            ir.serde.serialize_reference_attribute_into(proto.attribute.add(), attribute)
        else:
            ir.serde.serialize_attribute_into(proto.attribute.add(), attribute)
