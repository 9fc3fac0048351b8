"""Operators of opset 1 whose sizes moved between attributes and inputs: Reshape, Split, Tile."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import add_constant
from edgeq.graph.read import is_op, owner
from edgeq.io.old_opsets.raising import Raising


def renew_operands(raising: Raising, node: ir.Node) -> None:
    """Give a node of opset 1 to 4 the inputs that it has in opset 6.

    Before: `y = Reshape<shape=[0, -1]>(x)` of opset 1
    After:  `y = Reshape(x, s)` with s = [0, -1]
    """
    if is_op(node, "Reshape") and raising.version < 5:
        _reshape(raising, node)
    elif is_op(node, "Split") and raising.version < 2:
        _split(raising, node)


def _reshape(raising: Raising, node: ir.Node) -> None:
    if "shape" not in node.attributes:
        raise raising.refusal(node, "it names no shape")
    shape = np.array(node.attributes.pop("shape").as_ints(), np.int64)
    constant = add_constant(owner(node), shape, raising.names.value(f"{node.name}_shape"))
    node.resize_inputs(2)
    node.replace_input_with(1, constant)


def _split(raising: Raising, node: ir.Node) -> None:
    if "axis" not in node.attributes:
        raise raising.refusal(node, "it names no axis, and opset 1 has no default")
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        sizes = raising.constant(node, 1, "the list of sizes")
        node.attributes["split"] = ir.AttrInt64s("split", [int(size) for size in sizes.reshape(-1)])
    node.resize_inputs(1)


def renew_tile(raising: Raising, node: ir.Node) -> None:
    """Give a Tile of opset 1, which repeats along one axis, a count for every axis.

    Before: `y = Tile(x, 3, 1)` with x of rank 2
    After:  `y = Tile(x, [1, 3])`
    """
    if not is_op(node, "Tile") or raising.version >= 6:
        return
    times, axis = (int(raising.constant(node, index, what).reshape(-1)[0]) for index, what in ((1, "the count"), (2, "the axis")))
    repeats = np.ones(raising.rank(node, 0), np.int64)
    if not -len(repeats) <= axis < len(repeats):
        raise raising.refusal(node, f"axis {axis} lies outside of its {len(repeats)} dimensions")
    repeats[axis] = times
    node.resize_inputs(2)
    node.replace_input_with(1, add_constant(owner(node), repeats, raising.names.value(f"{node.name}_repeats")))
