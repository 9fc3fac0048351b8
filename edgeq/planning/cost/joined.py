"""Which float nodes cost nothing: the runtime computes them within the kernel before them."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import is_op, only_consumer, operator_of


def joined_to(node: ir.Node) -> ir.Node | None:
    """The node whose float kernel does this node's work too, if both are float.

    Seen in onnxruntime 1.32: an activation at the end of a Conv, the Add behind a Conv, and the
    product of a value with a function of itself (SiLU), behind a Conv also with a HardSigmoid
    (HardSwish).
    """
    first = node.inputs[0] if node.inputs else None
    maker = None if first is None else first.producer()
    if first is not None and only_consumer(first) is node:
        row = operator_of(node)
        if is_op(maker, "Conv", "Gemm") if row.joins_before else is_op(maker, "Conv") and row.free_behind_conv:
            return maker
    if not is_op(node, "Add", "Mul", "HardSigmoid"):
        return None
    if is_op(node, "Add"):
        return next((conv for value in node.inputs if (conv := _conv_for(value, node)) is not None), None)
    if is_op(node, "Mul"):
        return _gate(node)
    if is_op(node, "HardSigmoid") and is_op(maker, "Conv"):
        reader = only_consumer(node.outputs[0])
        return maker if is_op(reader, "Mul") and reader is not None and _gate(reader) is node else None
    return None


def _conv_for(value: ir.Value | None, reader: ir.Node) -> ir.Node | None:
    maker = None if value is None else value.producer()
    return maker if value is not None and is_op(maker, "Conv") and only_consumer(value) is reader else None


def _gate(node: ir.Node) -> ir.Node | None:
    """The function f of a product v * f(v) that nothing else reads."""
    for value, other in (node.inputs[:2], node.inputs[1::-1]):
        gate = None if value is None else value.producer()
        if value is None or gate is None or only_consumer(value) is not node:
            continue
        if operator_of(gate).elementwise == "one" and gate.inputs[0] is other:
            return gate
    return None
