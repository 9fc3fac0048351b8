"""Walk a graph and its bodies; every pass does, and onnx_ir's own walks take longer."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir


def inner_nodes(graph: ir.Graph) -> Iterator[ir.Node]:
    """The nodes of a graph, each before the nodes of its own bodies."""
    for node in graph:
        yield node
        if node.attributes:
            for body in _bodies(node):
                yield from inner_nodes(body)


def inner_graphs(graph: ir.Graph) -> Iterator[ir.Graph]:
    """The bodies of a graph's nodes, each before those inside it."""
    for node in graph:
        if node.attributes:
            for body in _bodies(node):
                yield body
                yield from inner_graphs(body)


def _bodies(node: ir.Node) -> Iterator[ir.Graph]:
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()
