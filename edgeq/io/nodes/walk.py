"""Walk the nodes and bodies of an ONNX protobuf message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx


def bodies_of(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs among a node's attributes: those of If, Loop and Scan."""
    own = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return own + [graph for attribute in node.attribute for graph in attribute.graphs]


def all_nodes(start: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """The nodes and those of their bodies, in no order, without recursion."""
    stack = list(start)
    while stack:
        node = stack.pop()
        yield node
        for body in bodies_of(node):
            stack.extend(body.node)
