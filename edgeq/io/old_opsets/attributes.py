"""Attributes of opset 1 to 6 that were dropped, renamed, given another type or another default."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from edgeq.io.old_opsets.raising import Raising

#: said which buffers might be overwritten; that a run is no training; whether the outputs of all
#: steps are wanted; that shapes may differ: today a runtime decides the first, a model file is no
#: training, outputs are wanted where they are read, and shapes may always differ
_WITHOUT_MEANING = ("consumed_inputs", "is_test", "output_sequence", "broadcast")


def renew_attributes(raising: Raising, node: ir.Node) -> None:
    """Write the node's attributes in the form of opset 7; those that depend on ranks stay.

    Before: `y = Selu<consumed_inputs=[0]>(x)` of opset 1
    After:  `y = Selu<alpha=1.6732, gamma=1.0507>(x)`, the defaults of opset 1
    """
    old = raising.schema(node).attributes
    new = onnx.defs.get_schema(node.op_type, 7, "").attributes
    for name in _WITHOUT_MEANING:
        if name in old and name not in new:
            node.attributes.pop(name, None)
    if "paddings" in old and "paddings" in node.attributes:  # Pad before opset 2
        node.attributes["pads"] = ir.AttrInt64s("pads", node.attributes.pop("paddings").as_ints())
    for name, attribute in new.items():
        if name in node.attributes:
            _retype(raising, node, attribute)
        elif name in old and _default(old[name]) is not None and _default(old[name]) != _default(attribute):
            node.attributes[name] = ir.serde.deserialize_attribute(old[name].default_value)
    if node.op_type == "Concat" and raising.version < 4 and "axis" not in node.attributes:
        node.attributes["axis"] = ir.AttrInt64("axis", 1)  # the only default that its description names
    if "height_scale" in old and "height_scale" in node.attributes:  # Upsample before opset 7
        _upsample(node)


def _default(attribute: onnx.defs.OpSchema.Attribute) -> bytes | None:
    value = attribute.default_value
    return value.SerializeToString(deterministic=True) if value.name else None


def _retype(raising: Raising, node: ir.Node, wanted: onnx.defs.OpSchema.Attribute) -> None:
    """A whole number that was a float (p of LpPool), an element type that was a word (Cast)."""
    held = node.attributes[wanted.name]
    if wanted.type != onnx.defs.OpSchema.AttrType.INT or held.type == ir.AttributeType.INT:
        return
    if held.type == ir.AttributeType.FLOAT and held.as_float().is_integer():
        number = int(held.as_float())
    elif held.type == ir.AttributeType.STRING and held.as_string().upper() in ir.DataType.__members__:
        number = int(ir.DataType[held.as_string().upper()])
    else:
        raise raising.refusal(node, f"its attribute {wanted.name} is {held.value!r}")
    node.attributes[wanted.name] = ir.AttrInt64(wanted.name, number)


def _upsample(node: ir.Node) -> None:
    height, width = (node.attributes.pop(name).as_float() for name in ("height_scale", "width_scale"))
    node.attributes["scales"] = ir.AttrFloat32s("scales", [1.0, 1.0, height, width])
    if node.attributes.get_string("mode", "") == "bilinear":
        node.attributes["mode"] = ir.AttrString("mode", "linear")
