"""Give Pad amounts for every axis, and a fill value only where it fills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, replace_constant
from edgeq.graph.read import constant, is_op, nodes, rank


@dataclass(frozen=True)
class PadAllAxes(ir.passes.InPlacePass):
    """Replace the axes input of Pad (opset 18) by amounts for every axis, and omit an unread fill.

    onnxruntime fails at run time on a Pad with axes between integer kernels: it permutes the
    amounts as if there were one for every axis. A fill value that mode reflect, edge or wrap does
    not read would still have to be of the type of the codes.

    Before:  y = Pad <mode = "edge"> (x, [1, 1], value, [3])                    x: [N, C, H, W]
    After:   y = Pad <mode = "edge"> (x, [0, 0, 0, 1, 0, 0, 0, 1])
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        pads = [node for node in nodes(model) if is_op(node, "Pad")]
        unread = [node for node in pads if _has_unread_fill(node)]
        for node in unread:
            node.replace_input_with(2, None)
            if len(node.inputs) == 3:
                node.resize_inputs(2)
        found = [node for node in pads if _amounts(node) is not None]
        for node in found:
            amounts = _amounts(node)
            assert amounts is not None
            replace_constant(node, 1, amounts, names)
            node.resize_inputs(3 if node.inputs[2] is not None else 2)
        return ir.passes.PassResult(model, modified=bool(found or unread))


def _has_unread_fill(node: ir.Node) -> bool:
    mode = node.attributes.get_string("mode", "constant")
    return mode != "constant" and len(node.inputs) > 2 and node.inputs[2] is not None


def _amounts(node: ir.Node) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """The amounts for every axis; None unless the node names axes and all of it is constant."""
    size = rank(node.inputs[0])
    axes, pads = (constant(node.inputs[3]), constant(node.inputs[1])) if len(node.inputs) > 3 else (None, None)
    if axes is None or pads is None or size is None:
        return None
    full = np.zeros((2, size), np.int64)
    full[:, axes.astype(np.int64)] = pads.reshape(2, -1)
    return full.reshape(-1)
