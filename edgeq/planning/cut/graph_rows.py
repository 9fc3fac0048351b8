"""What every cut of a graph asks of its nodes and values, whatever these cost on a machine."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.planning.kernel_fit import data_inputs, hands_out_float
from edgeq.schema.target import Target


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node, as every cut of its graph sees it."""

    node: ir.Node
    name: str
    #: names of its outputs
    outputs: tuple[str, ...]
    #: whether its integer kernel can hand out floats
    free: bool


@dataclass(frozen=True, slots=True)
class ValueRow:
    """A value, as every cut of its graph sees it."""

    value: ir.Value
    name: str
    #: names of its readers in the graph, and whether each reads it as data
    readers: tuple[tuple[str, bool], ...]
    #: whether it is read outside of the graph as well
    leaves: bool


def node_row(node: ir.Node, target: Target) -> NodeRow:
    """What a cut asks of a node."""
    kernel = target.kernel_of(node.op_type)
    outputs = tuple(str(value.name) for value in node.outputs if value.name)  # one left out must not connect nodes
    return NodeRow(node, str(node.name), outputs, kernel is not None and hands_out_float(node, kernel))


def value_row(value: ir.Value, graph: ir.Graph, target: Target) -> ValueRow:
    """What a cut of a graph asks of a value."""
    found = tuple((str(reader.name), _reads_data(reader, value, target)) for reader in readers(value, graph))
    leaves = value.is_graph_output() or any(use.node.graph is not graph for use in value.uses())
    return ValueRow(value, str(value.name), found, leaves)


def readers(value: ir.Value, graph: ir.Graph) -> list[ir.Node]:
    """The nodes of a graph that read a value, each once."""
    return list(dict.fromkeys(use.node for use in value.uses() if use.node.graph is graph))


def _reads_data(node: ir.Node, value: ir.Value, target: Target) -> bool:
    indices = data_inputs(node, target.kernel_of(node.op_type))
    return any(i < len(node.inputs) and node.inputs[i] is value for i in indices)
