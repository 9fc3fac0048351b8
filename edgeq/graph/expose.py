"""Make inner values of a model graph outputs, even those inside If, Loop and Scan bodies."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import graphs, is_op, nodes, operator_of, owner


def expose(model: ir.Model, wanted: Iterable[str]) -> tuple[ir.Model, dict[str, str]]:
    """Copy the model so that it also outputs the wanted float values.

    Returns the copy, and value name -> output name.

    A value of an If branch that is not taken arrives as an array without elements; a value of a
    Loop or Scan body is stacked over the iterations. Left out are inputs of the main graph, which
    the caller has already, and values that cannot be stacked because iterations may differ in them:
    those in a branch inside a loop, and those in a loop whose shape is not known beforehand.
    """
    copy = model.clone()
    raiser = _Raiser(copy)
    names = set(wanted)
    found: dict[str, str] = {}
    for graph in list(graphs(copy)):
        given = [] if graph is copy.graph else list(graph.inputs)
        for value in [*given, *(output for node in graph for output in node.outputs)]:
            if value.name in names and raiser.can_carry(graph, value):
                found[str(value.name)] = raiser.to_main(graph, value)
    return copy, found


class _Raiser:
    """Carries values out of bodies to the main graph."""

    def __init__(self, model: ir.Model) -> None:
        self.main = model.graph
        self.names = Names(model)
        self.parents: dict[int, ir.Node] = {}
        for node in nodes(model):
            for attribute in node.attributes.values():
                if attribute.type == ir.AttributeType.GRAPH:
                    self.parents[id(attribute.as_graph())] = node
        #: sizes that are the same in every iteration of any loop
        self.fixed = {str(size) for value in model.graph.inputs if value.shape is not None for size in value.shape}

    def can_carry(self, graph: ir.Graph, value: ir.Value) -> bool:
        """Whether every body around the value can output it."""
        around: list[str] = []
        while graph is not self.main:
            parent = self.parents[id(graph)]
            around.append(parent.op_type if operator_of(parent).control else "")
            graph = owner(parent)
        loops = [op_type in ("Loop", "Scan") for op_type in around]
        if not any(loops):
            return "" not in around
        steady = value.shape is not None and all(isinstance(size, int) or str(size) in self.fixed for size in value.shape)
        return steady and "" not in around and "If" not in around[: len(loops) - loops[::-1].index(True)]

    def to_main(self, graph: ir.Graph, value: ir.Value) -> str:
        """Carry the value out of every body around it; returns the main graph's output name."""
        while graph is not self.main:
            parent = self.parents[id(graph)]
            value = self._lift(graph, value, parent)
            graph = owner(parent)
        if not value.is_graph_output():
            graph.outputs.append(value)
        return str(value.name)

    def _lift(self, graph: ir.Graph, value: ir.Value, parent: ir.Node) -> ir.Value:
        graph.outputs.append(self._alias(graph, value))
        if is_op(parent, "If"):
            for attribute in parent.attributes.values():
                branch = attribute.as_graph()
                if branch is not graph:
                    branch.outputs.append(self._nothing(branch))
        for name in ("scan_output_axes", "scan_output_directions"):
            if name in parent.attributes:  # one entry per stacked output
                parent.attributes[name] = ir.AttrInt64s(name, [*parent.attributes[name].as_ints(), 0])
        parent.resize_outputs(len(parent.outputs) + 1)
        lifted = parent.outputs[-1]
        lifted.name = self.names.value(f"{value.name}_seen")
        lifted.type = ir.TensorType(ir.DataType.FLOAT)
        return lifted

    def _alias(self, graph: ir.Graph, value: ir.Value) -> ir.Value:
        """The same numbers under a name of their own: a body may not output one value twice."""
        return self._append(graph, "Identity", [value], [])

    def _nothing(self, graph: ir.Graph) -> ir.Value:
        return self._append(graph, "Constant", [], [ir.AttrTensor("value", ir.Tensor(np.zeros(0, np.float32)))])

    def _append(self, graph: ir.Graph, op_type: str, inputs: list[ir.Value], attributes: list[ir.Attr]) -> ir.Value:
        result = ir.Value(name=self.names.value("seen"), type=ir.TensorType(ir.DataType.FLOAT))
        graph.append(ir.Node("", op_type, inputs, attributes, outputs=[result], name=self.names.node("seen")))
        return result
