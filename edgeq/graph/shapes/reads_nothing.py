"""Nodes that read no elements, and whose kernels in onnxruntime would end the process."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import nodes, operator_of


def reads_nothing(node: ir.Node) -> bool:
    """Whether onnxruntime's kernel would end the process: its input is known to be empty."""
    source = _deadly_source(node)
    return source is not None and source.shape is not None and 0 in source.shape.dims


def may_read_nothing(model: ir.Model) -> bool:
    """Whether made-up feeds could end the process: such a kernel reads what numbers choose."""
    left = [source for node in nodes(model) if (source := _deadly_source(node)) is not None]
    left = [source for source in left if source.shape is None or not source.shape.is_static()]
    seen = set(left)
    while left:
        maker = left.pop().producer()
        if maker is not None and operator_of(maker).counts:
            return True
        new = [value for value in (() if maker is None else maker.inputs) if value is not None and value not in seen]
        seen.update(new)
        left += new
    return False


def _deadly_source(node: ir.Node) -> ir.Value | None:
    return node.inputs[0] if node.inputs and operator_of(node).dies_of_nothing else None
