"""What every cut of a graph asks of its nodes and values, whatever these cost on a machine."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.planning.kernel_fit import data_inputs, hands_out_float
from edgeq.schema.target import Target

#: a node of a cut: the kind of what it stands for, and that one's name
Vertex = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node, as every cut of its graph sees it."""

    node: ir.Node
    name: str
    here: Vertex
    #: its outputs
    outputs: tuple[Vertex, ...]
    #: whether its integer kernel can hand out floats
    free: bool


@dataclass(frozen=True, slots=True)
class ValueRow:
    """A value, as every cut of its graph sees it."""

    value: ir.Value
    name: str
    here: Vertex
    #: its readers in the graph
    readers: tuple[Vertex, ...]
    #: those that read it as data, and are fed with its quantized form where they are integer
    takers: tuple[Vertex, ...]
    #: whether it is read outside of the graph as well
    leaves: bool

    @property
    def quantized(self) -> Vertex | None:
        """What stands for the quantized form; None where nothing would read it.

        Where one node would, that node: the form is made if and only if it is integer.
        """
        if not self.takers:
            return None
        return self.takers[0] if len(self.takers) == 1 else ("quantized", self.name)


def node_row(node: ir.Node, target: Target) -> NodeRow:
    """What a cut asks of a node."""
    kernel = target.kernel_of(node.op_type)
    outputs = tuple(("value", str(value.name)) for value in node.outputs if value.name)  # one left out must not connect nodes
    return NodeRow(node, str(node.name), vertex(node), outputs, kernel is not None and hands_out_float(node, kernel))


def value_row(value: ir.Value, graph: ir.Graph, target: Target) -> ValueRow:
    """What a cut of a graph asks of a value."""
    found = readers(value, graph)
    takers = tuple(vertex(reader) for reader in found if _reads_data(reader, value, target))
    leaves = value.is_graph_output() or any(use.node.graph is not graph for use in value.uses())
    return ValueRow(value, str(value.name), ("value", str(value.name)), tuple(vertex(one) for one in found), takers, leaves)


def vertex(node: ir.Node) -> Vertex:
    """What stands for a node of the graph."""
    return "node", str(node.name)


def readers(value: ir.Value, graph: ir.Graph) -> list[ir.Node]:
    """The nodes of a graph that read a value, each once."""
    return list(dict.fromkeys(use.node for use in value.uses() if use.node.graph is graph))


def _reads_data(node: ir.Node, value: ir.Value, target: Target) -> bool:
    indices = data_inputs(node, target.kernel_of(node.op_type))
    return any(i < len(node.inputs) and node.inputs[i] is value for i in indices)
