"""The types and shapes of all values, inferred by onnx.

onnx_ir takes sequences for tensors there and cannot hold maps (what ZipMap makes). The types of
maps are therefore forgotten when a model is read, and inferred again when it is written.
"""

from __future__ import annotations

import logging

import onnx
import onnx_ir as ir

from edgeq.errors import BadModel
from edgeq.graph.forms.bare_proto import bare_proto
from edgeq.graph.read import attribute_int, attribute_ints, graphs, is_op, nodes, values
from edgeq.graph.signature import form_of, has_type, outputs_no_tensor

# onnx_ir logs a traceback when inference fails, which is expected here; a program that wants to
# see it adds a handler of its own
logging.getLogger("onnx_ir").addHandler(logging.NullHandler())

#: opset since which onnx infers the sizes of pools with ceil_mode as the operators define them
_RIGHT_SINCE = 22
#: domain of operators while onnx is not to infer what they make
_HIDDEN = "edgeq.hidden"
#: key of a model's notes in memory under which it is told that nothing more can be inferred
_INFERRED = "edgeq.inferred"
#: types of attributes that hold graphs
_BODIES = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
#: the most bytes of a constant whose numbers inference may need: a shape, axes, bounds
_SMALL_BYTES = 1000


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
    ones are known to be equal. Sizes that onnx would get wrong stay unknown (see _outruns).
    """
    doubtful = [node for node in nodes(model) if _outruns(node, model.opset_imports.get(node.domain))]
    if not doubtful:
        _infer(model, follow_values)
        return
    model.opset_imports[_HIDDEN] = 1
    for node in doubtful:
        node.domain = _HIDDEN  # onnx leaves the outputs of operators that it does not know as they are
    for node in doubtful:  # in graph order: the sizes before each follow from those of the last one
        _infer(model, follow_values)
        source, out = node.inputs[0], node.outputs[0]
        if source is not None and source.shape is not None and not out.is_graph_output():
            out.shape = ir.Shape([*source.shape[:2], *[None] * (len(source.shape) - 2)])
        out.type = out.type if source is None or source.type is None else source.type
    _infer(model, follow_values)
    for node in doubtful:
        node.domain = ""
    del model.opset_imports[_HIDDEN]


def is_inferred(model: ir.Model) -> bool:
    """Whether the types and shapes are all that onnx infers: a copy of the model forgets it."""
    return bool(model.meta.get(_INFERRED, False))


def believe_inference(model: ir.Model) -> None:
    """Where a file declares sizes that contradict its operators, keep those that onnx infers.

    onnxruntime does the same, with a warning, so that such a model runs; whoever computes with the
    declared sizes would take it for another. Sizes that cannot be inferred stay as declared.
    """
    made = [value for graph in graphs(model) for node in graph for value in node.outputs]
    declared = [value.shape for value in made]
    for value in made:
        value.shape = None
    infer_types(model, follow_values=False)
    told = False
    for value, shape in zip(made, declared, strict=True):
        told = told or (shape is not None and shape != value.shape)
        if shape is not None and not (value.shape is not None and _contradict(shape, value.shape)):
            value.shape = shape
    model.meta[_INFERRED] = not told and not any(is_op(node, "Shape") for node in nodes(model))  # which asks for more


def _contradict(shape: ir.Shape, other: ir.Shape) -> bool:
    if len(shape) != len(other):
        return True
    return any(isinstance(mine, int) and isinstance(theirs, int) and mine != theirs for mine, theirs in zip(shape, other, strict=True))


def _outruns(node: ir.Node, version: int | None) -> bool:
    """Whether a pool's last window may start in the padding behind the data, which leaves it out.

    Before opset 22, onnx's inference counts such a window of ceil_mode, against the operators'
    definition and every runtime. Windows are n = ceil((size + pads - kernel) / stride) + 1, so the
    last starts at or behind size + begin only where end + stride > kernel.
    """
    if not is_op(node, "AveragePool", "LpPool", "MaxPool") or version is None or version >= _RIGHT_SINCE:
        return False
    if not attribute_int(node, "ceil_mode", 0) or node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    kernel = attribute_ints(node, "kernel_shape") or ()
    ends = (attribute_ints(node, "pads") or (0,) * (2 * len(kernel)))[len(kernel) :]
    strides, spread = (attribute_ints(node, name) or (1,) * len(kernel) for name in ("strides", "dilations"))
    reach = [(size - 1) * by + 1 for size, by in zip(kernel, spread, strict=True)]
    return any(end + stride > size for end, stride, size in zip(ends, strides, reach, strict=True))


def _infer(model: ir.Model, follow_values: bool) -> None:
    """Run onnx's inference, and read from its result the types alone.

    onnx_ir's own pass reads a whole model back, which takes longer than all the rest. It would call
    a sequence a tensor, and stop at a map, whose type it cannot hold.
    """
    kinds = {(node.op_type, node.domain) for node in nodes(model)}
    others = any(form_of(value) != "tensor" for value in values(model)) or any(_makes_no_tensor(model, *kind) for kind in kinds)
    given = ir.to_proto(model) if others else without_weights(model)
    try:
        inferred = onnx.shape_inference.infer_shapes(given, check_type=False, strict_mode=False, data_prop=follow_values)
    except Exception:  # whatever stops onnx's inference: what is known stays
        return
    types, before = _types(inferred.graph), _types(given.graph)
    for value in values(model):
        name = str(value.name)
        kind = types.get(name)
        if kind is None or kind == before.get(name) or (others and value.const_value is not None) or has_type(value, kind):
            continue
        try:
            known, shape = ir.serde.deserialize_type_proto_for_type(kind), ir.serde.deserialize_type_proto_for_shape(kind)
        except ir.serde.SerdeError:  # a map
            known, shape = None, None
        value.type = value.type if known is None else known
        value.shape = value.shape if shape is None else shape


def without_weights(model: ir.Model) -> onnx.ModelProto:
    """The model as a protobuf message, with large constants as inputs: their numbers tell no sizes.

    Small ones are inputs, too, and keep their numbers.
    """
    graph = model.graph
    constants = list(graph.initializers.values())
    for value, tensor in ((value, value.const_value) for value in constants):
        if tensor is not None and value.shape is None:
            value.shape = tensor.shape  # type: ignore[assignment]  # a protocol that ir.Shape fulfils
        if tensor is not None and value.type is None:
            value.type = ir.TensorType(tensor.dtype)
    inputs = dict.fromkeys([*graph.inputs, *constants])
    small = [value for value in constants if value.const_value is not None and value.const_value.nbytes <= _SMALL_BYTES]
    return bare_proto(model, inputs=inputs, initializers=small)


def _types(graph: onnx.GraphProto) -> dict[str, onnx.TypeProto]:
    """The type of every value of a graph and its bodies that has one; names are unique."""
    found = {info.name: info.type for info in (*graph.value_info, *graph.output) if info.HasField("type")}
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        if attribute.type in _BODIES:
            for body in (attribute.g, *attribute.graphs):
                found.update(_types(body))
    return found


def _makes_no_tensor(model: ir.Model, op_type: str, domain: str) -> bool:
    """Whether an output of the operator is always a sequence, an optional value or a map."""
    version = model.opset_imports.get(domain)
    return version is not None and outputs_no_tensor(op_type, version, domain)
