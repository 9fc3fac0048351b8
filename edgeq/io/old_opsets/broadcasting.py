"""Operands of lower rank, as opset 1 to 6 aligned them with the first operand."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.edit import add_node, replace_constant
from edgeq.graph.read import constant, dim, is_op
from edgeq.io.old_opsets.raising import Raising


def align_operands(raising: Raising, node: ir.Node) -> None:
    """Give the second operand the trailing axes of size 1 that today's broadcasting needs.

    1. An operator with the attribute `axis` aligned its second operand from that axis of the first
       one on; without it, with the last axes, as today.
    2. The slopes of PRelu, one for each channel, were aligned with axis 1.

    Before: `y = Add<broadcast=1, axis=1>(x, b)` with x of shape [N, 8, 4, 4] and b of shape [8]
    After:  `y = Add(x, c)` with c of shape [8, 1, 1]
    """
    attributes = raising.schema(node).attributes
    if "broadcast" in attributes and "axis" in attributes and "axis" in node.attributes:
        axis = node.attributes.pop("axis").as_int()
        count = raising.rank(node, 0)
        _pad_axes(raising, node, axis + count if axis < 0 else axis, count)
    elif is_op(node, "PRelu") and raising.version < 7 and raising.rank(node, 1) == 1:
        count = raising.rank(node, 0)
        if count > 1:
            _pad_axes(raising, node, 1, count)


def _pad_axes(raising: Raising, node: ir.Node, axis: int, count: int) -> None:
    """Append axes of size 1, so that the operand's first axis meets `axis` of `count` axes."""
    operand = node.inputs[1]
    own = raising.rank(node, 1)
    missing = count - axis - own
    array = constant(operand)
    if operand is None or missing == 0 or all(dim(operand, place) == 1 for place in range(own)):
        return  # one number fits everywhere
    if missing < 0 or axis < 0:
        raise raising.refusal(node, f"an operand of {own} dimensions does not fit at axis {axis} of {count}")
    if array is not None:
        replace_constant(node, 1, array.reshape(*array.shape, *[1] * missing), raising.names)
        return
    axes = {"axes": ir.AttrInt64s("axes", list(range(own, own + missing)))}
    wide = add_node(
        node, "Unsqueeze", [operand], name=raising.names.node(f"{node.name}_align"), output=raising.names.value(f"{operand.name}_aligned"),
        attributes=axes,
    )  # fmt: skip
    node.replace_input_with(1, wide)
