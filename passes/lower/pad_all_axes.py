"""Give Pad amounts for every axis, and a fill value only where it fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node, replace_constant
from edgeq.graph.read import constant, is_op, nodes, owner, rank
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True)
class PadAllAxes(ir.passes.InPlacePass):
    """Replace the axes input of Pad (opset 18) by amounts for every axis, and omit an unread fill.

    onnxruntime fails at run time on a Pad with axes between integer kernels: it permutes the
    amounts as if there were one for every axis. A fill value that mode reflect, edge or wrap does
    not read would still have to be of the type of the codes.

    Before:  y = Pad <mode = "edge"> (x, [1, 1], value, [3])                    x: [N, C, H, W]
    After:   y = Pad <mode = "edge"> (x, [0, 0, 0, 1, 0, 0, 0, 1])

    Amounts that a run decides are put where they belong by a node:

    Before:  y = Pad(x, p, , [3])                                               x: [N, C, H, W]
    After:   a = ScatterElements([0, 0, 0, 0, 0, 0, 0, 0], [3, 7], p)   y = Pad(x, a)

    Where a run decides the axes too, the Pad stays as it is.
    """

    only_for: ClassVar[tuple[str, ...]] = ("Pad",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        pads = [node for node in nodes(model) if is_op(node, "Pad")]
        unread = [node for node in pads if _has_unread_fill(node)]
        for node in unread:
            node.replace_input_with(2, None)
            if len(node.inputs) == 3:
                node.resize_inputs(2)
        found = [node for node in pads if _axes(node) is not None]
        for node in found:
            _widen(node, names)
        return ir.passes.PassResult(model, modified=bool(found or unread))


def _has_unread_fill(node: ir.Node) -> bool:
    mode = node.attributes.get_string("mode", "constant")
    return mode != "constant" and len(node.inputs) > 2 and node.inputs[2] is not None


def _axes(node: ir.Node) -> AnyArray | None:
    """The axes that a Pad of known rank names, from 0; None: it names none, or a run decides."""
    size = rank(node.inputs[0])
    named = constant(node.inputs[3]) if len(node.inputs) > 3 else None
    return None if named is None or size is None else named.astype(np.int64).reshape(-1) % size


def _widen(node: ir.Node, names: Names) -> None:
    axes, size, given = _axes(node), rank(node.inputs[0]), constant(node.inputs[1])
    assert axes is not None and size is not None
    places, none = np.concatenate([axes, axes + size]), np.zeros(2 * size, np.int64)
    if given is not None:
        none[places] = given.reshape(-1)
        replace_constant(node, 1, none, names)
    else:
        node.replace_input_with(1, _scattered(node, none, places, names))
    node.resize_inputs(3 if node.inputs[2] is not None else 2)


def _scattered(node: ir.Node, none: AnyArray, places: AnyArray, names: Names) -> ir.Value:
    """The amounts that a run decides, at their places among those for every axis."""
    zeros, indices = (add_constant(owner(node), a, names.value(f"{node.name}_{word}")) for word, a in (("none", none), ("places", places)))
    inputs: list[ir.Value | None] = [zeros, indices, node.inputs[1]]
    amounts = add_node(node, "ScatterElements", inputs, name=names.node(f"{node.name}_amounts"), output=names.value(f"{node.name}_amounts"))
    amounts.type, amounts.shape = ir.TensorType(ir.DataType.INT64), ir.Shape(none.shape)
    return amounts
