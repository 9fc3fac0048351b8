"""Walk over the nodes of a graph and of the bodies of If, Loop and Scan.

Every pass walks the whole model, mostly to find nothing. This walk gives what onnx_ir's own does
and takes a fraction of its time, since nearly no node has attributes that hold graphs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir


def nodes_of(graph: ir.Graph) -> Iterator[ir.Node]:
    """Every node of the graph and of its bodies: a node before the nodes of its own bodies."""
    for node in graph:
        yield node
        if node.attributes.data:  # half of all nodes have none
            for body in bodies_of(node):
                yield from nodes_of(body)


def graphs_below(graph: ir.Graph) -> Iterator[ir.Graph]:
    """Every body in walk order: a body before the bodies of its own nodes."""
    for node in graph:
        if node.attributes.data:
            for body in bodies_of(node):
                yield body
                yield from graphs_below(body)


def bodies_of(node: ir.Node) -> Sequence[ir.Graph]:
    """The graphs that the node holds in its attributes: none for nearly every node."""
    found: list[ir.Graph] = []
    for attribute in node.attributes.data.values():
        if attribute.type == ir.AttributeType.GRAPH:
            found.append(attribute.as_graph())
        elif attribute.type == ir.AttributeType.GRAPHS:
            found.extend(attribute.as_graphs())
    return found
