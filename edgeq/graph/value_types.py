"""The types and shapes of all values, inferred by onnx.

onnx_ir takes sequences for tensors there and cannot hold maps (what ZipMap makes). The types of
maps are therefore forgotten when a model is read, and inferred again when it is written.
"""

from __future__ import annotations

import logging
from functools import cache

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.errors import BadModel
from edgeq.graph.read import nodes, values
from edgeq.graph.signature import form_of

# onnx_ir logs a traceback when inference fails, which is expected here; a program that wants to
# see it adds a handler of its own
logging.getLogger("onnx_ir").addHandler(logging.NullHandler())


def forget_maps(proto: onnx.ModelProto, where: str) -> None:
    """Leave out the types of all maps, in place. Raises BadModel for an input that is a map."""
    for value in proto.graph.input:
        if _holds_map(value.type):
            fix = "Leave the operators that read the map out of the export, and give what they make as the input."
            raise BadModel(f"The model's input `{value.name}` is a map, which edgeq cannot feed", where, fix)
    for value in proto.graph.output:
        if _holds_map(value.type):
            value.ClearField("type")
    kept = [value for value in proto.graph.value_info if not _holds_map(value.type)]
    if len(kept) < len(proto.graph.value_info):
        del proto.graph.value_info[:]
        proto.graph.value_info.extend(kept)


def typed_proto(model: ir.Model) -> onnx.ModelProto:
    """The model as a protobuf message in which every output has a type."""
    proto = ir.to_proto(model)
    if any(not value.HasField("type") for value in proto.graph.output):
        inferred = {value.name: value.type for value in onnx.shape_inference.infer_shapes(proto).graph.output}
        for value in proto.graph.output:
            value.type.CopyFrom(inferred[value.name])
    return proto


def _holds_map(kind: onnx.TypeProto) -> bool:
    if kind.HasField("sequence_type"):
        return _holds_map(kind.sequence_type.elem_type)
    return _holds_map(kind.optional_type.elem_type) if kind.HasField("optional_type") else kind.HasField("map_type")


def infer_types(model: ir.Model, follow_values: bool) -> None:
    """Add the types and shapes that onnx infers, in place; where it fails, what is known stays.

    follow_values: evaluate integer values too; that also names unknown dimensions, so that equal
    ones are known to be equal.
    """
    if any(form_of(value) != "tensor" for value in values(model)) or any(_makes_no_tensor(model, node) for node in nodes(model)):
        _infer_every_form(model, follow_values)
    else:
        common_passes.ShapeInferencePass(check_type=False, strict_mode=False, data_prop=follow_values)(model)


def _infer_every_form(model: ir.Model, follow_values: bool) -> None:
    """The same for a model with sequences, optional values or maps.

    onnx_ir's pass would call a sequence a tensor, and stop at a map, whose type it cannot hold.
    """
    try:
        inferred = onnx.shape_inference.infer_shapes(ir.to_proto(model), check_type=False, strict_mode=False, data_prop=follow_values)
    except Exception:  # whatever stops onnx's inference, as in onnx_ir's pass: what is known stays
        return
    types = _types(inferred.graph)
    for value in values(model):
        kind = types.get(str(value.name))
        if kind is None or value.const_value is not None:
            continue
        try:
            known, shape = ir.serde.deserialize_type_proto_for_type(kind), ir.serde.deserialize_type_proto_for_shape(kind)
        except ir.serde.SerdeError:  # a map
            known, shape = None, None
        value.type = value.type if known is None else known
        value.shape = value.shape if shape is None else shape


def _types(graph: onnx.GraphProto) -> dict[str, onnx.TypeProto]:
    """The type of every value of a graph and its bodies that has one; names are unique."""
    found = {info.name: info.type for info in (*graph.value_info, *graph.output) if info.HasField("type")}
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        for body in (attribute.g, *attribute.graphs):
            found.update(_types(body))
    return found


def _makes_no_tensor(model: ir.Model, node: ir.Node) -> bool:
    """Whether an output of the operator is always a sequence, an optional value or a map."""
    version = model.opset_imports.get(node.domain)
    return version is not None and _outputs_no_tensor(node.op_type, version, node.domain)


@cache
def _outputs_no_tensor(op_type: str, version: int, domain: str) -> bool:
    try:
        outputs = onnx.defs.get_schema(op_type, version, domain).outputs
    except onnx.defs.SchemaError:
        return False
    return any(not any(kind.startswith("tensor(") for kind in output.types) for output in outputs)
