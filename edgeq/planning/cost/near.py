"""Where convolutions are near: integer kernels there have channels last, float ones in blocks."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import is_op, only_consumer, operator_of, rank


def at_convolution(value: ir.Value, *others: ir.Node) -> bool:
    """Whether convolutions make or read the value, whose integer kernels have channels last.

    others: nodes whose inputs count too.
    """
    near = [value.producer(), *(use.node for use in value.uses())]
    near += [read.producer() for node in others for read in node.inputs if read is not None]
    return (rank(value) or 0) > 2 and any(is_op(node, "Conv") for node in near)


def between_convolutions(node: ir.Node) -> bool:
    """Whether convolutions make what the node reads or read what it makes, or a view of that."""
    source = node.inputs[0] if node.inputs else None
    while source is not None and _views(maker := source.producer()):
        assert maker is not None
        source = maker.inputs[0]
    if source is not None and is_op(source.producer(), "Conv"):
        return True
    made = node.outputs[0]
    while _views(reader := only_consumer(made)):
        assert reader is not None
        made = reader.outputs[0]
    return any(is_op(use.node, "Conv") for use in made.uses())


def _views(node: ir.Node | None) -> bool:
    return node is not None and operator_of(node).moves == "views"
