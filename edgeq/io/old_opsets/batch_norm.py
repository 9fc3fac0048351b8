"""BatchNormalization before opset 9: outputs of training, and statistics for each position."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import add_constant, add_node, take_over
from edgeq.graph.read import attribute_float, attribute_int, is_op, owner
from edgeq.io.old_opsets.raising import Raising


def renew_batch_norm(raising: Raising, node: ir.Node) -> None:
    """Drop the unread outputs of training; say a scale for each position as Mul and Add.

    Before: `y, m, v = BatchNormalization<spatial=0>(x, s, b, mean, var)`, m and v unread
    After:  `t = Mul(x, f)`, `y = Add(t, o)` with f = s / sqrt(var + epsilon), o = b - mean * f
    """
    if not is_op(node, "BatchNormalization"):
        return
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        raise raising.refusal(node, "its running mean or variance is read, as in training")
    node.resize_outputs(1)
    if attribute_int(node, "spatial", 1) == 0 and raising.constant(node, 1, "its scale").ndim > 1:
        _per_position(raising, node)
    else:
        node.attributes.pop("spatial", None)


def _per_position(raising: Raising, node: ir.Node) -> None:
    words = ("its scale", "its bias", "its mean", "its variance")
    scale, bias, mean, variance = (raising.constant(node, index, word).astype(np.float64) for index, word in enumerate(words, 1))
    kind = raising.constant(node, 1, "its scale").dtype
    factor = scale / np.sqrt(variance + attribute_float(node, "epsilon", 1e-5))
    graph, names, y = owner(node), raising.names, node.outputs[0]
    f = add_constant(graph, factor.astype(kind), names.value(f"{node.name}_scale"))
    offset = add_constant(graph, (bias - mean * factor).astype(kind), names.value(f"{node.name}_offset"))
    scaled = add_node(node, "Mul", [node.inputs[0], f], name=names.node(f"{node.name}_scaled"), output=names.value(f"{y.name}_scaled"))
    moved = add_node(node, "Add", [scaled, offset], name=names.node(f"{node.name}_moved"), output=names.value(f"{y.name}_moved"))
    take_over(y, moved)
    name, node.name = node.name, None
    graph.remove(node, safe=True)
    maker = moved.producer()
    assert maker is not None
    maker.name = name  # the node that makes the result keeps its name
