"""Edit an onnx_ir graph: free names, new constants and nodes, and recorded removal of nodes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import onnx_ir as ir

from edgeq.graph.forms.constants import tensor_of
from edgeq.graph.read import graphs, nodes, owner, values
from edgeq.graph.walk import bodies_of, nodes_of
from edgeq.numerics.arrays import AnyArray


class FreeNames:
    """The names in use, and the last number that each wanted name was given.

    >>> names = FreeNames(["conv", "conv_1"])
    >>> names.free("conv"), names.free("conv"), names.free("relu")
    ('conv_2', 'conv_3', 'relu')
    """

    def __init__(self, used: Iterable[str] = ()) -> None:
        self._used = set(used)
        self._last: dict[str, int] = {}

    def free(self, wanted: str) -> str:
        """`wanted`, or the first of wanted_1, wanted_2, ... that is free; it is taken from now on.

        Names are never given back, so that the search goes on where the last one ended.
        """
        name, number = wanted, self._last.get(wanted, 0)
        while name in self._used:
            number += 1
            name = f"{wanted}_{number}"
        self._last[wanted] = number
        self._used.add(name)
        return name


class Names:
    """Free names in a model and its bodies, the same in every run; it is read for the first."""

    def __init__(self, model: ir.Model) -> None:
        self._model = model

    def value(self, wanted: str) -> str:
        """`wanted`, or the first of wanted_1, wanted_2, ... that no value has."""
        return self._values.free(wanted)

    def node(self, wanted: str) -> str:
        """`wanted`, or the first of wanted_1, wanted_2, ... that no node has."""
        return self._nodes.free(wanted)

    @cached_property
    def _values(self) -> FreeNames:
        return FreeNames(value.name for value in values(self._model) if value.name)

    @cached_property
    def _nodes(self) -> FreeNames:
        return FreeNames(node.name for node in nodes(self._model) if node.name)


def add_constant(graph: ir.Graph, array: AnyArray, name: str) -> ir.Value:
    """Add an initializer to `graph`. `name` must be free: take it from Names."""
    value = ir.Value(
        name=name,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        const_value=tensor_of(array, name),
    )
    graph.register_initializer(value)
    return value


def replace_constant(node: ir.Node, index: int, array: AnyArray, names: Names) -> None:
    """Let the node read `array` at this input.

    The old constant is changed in place if nothing else reads it; otherwise an initializer is
    added.
    """
    old = node.inputs[index] if index < len(node.inputs) else None
    if old is not None and old.is_initializer() and len(old.uses()) == 1 and not (old.is_graph_output() or old.is_graph_input()):
        old.const_value = tensor_of(array, old.name)
        old.shape, old.type = ir.Shape(array.shape), ir.TensorType(ir.DataType.from_numpy(array.dtype))
        return
    kind = {1: "weight", 2: "bias"}.get(index, f"input{index}")
    new = add_constant(owner(node), array, names.value(f"{node.name}_{kind}"))
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, new)


def add_node(
    before: ir.Node, op_type: str, inputs: list[ir.Value | None], *, name: str, output: str, attributes: dict[str, ir.Attr] | None = None
) -> ir.Value:
    """Add a node with one output just before `before`; returns the output value.

    The value has no type or shape yet. Both names must be free: take them from Names.
    """
    value = ir.Value(name=output)
    owner(before).insert_before(before, ir.Node("", op_type, inputs, (attributes or {}).values(), outputs=[value], name=name))
    return value


def drop_unread_constants(model: ir.Model) -> int:
    """Remove the initializers that nothing reads; returns their number."""
    dropped = 0
    for graph in graphs(model):
        for name, value in list(graph.initializers.items()):
            if not value.uses() and not value.is_graph_output() and not value.is_graph_input():
                del graph.initializers[name]
                dropped += 1
    return dropped


def replace_graph(model: ir.Model, new: ir.Model) -> None:
    """Let `model` hold the graph of `new`; its metadata stays."""
    model.graph, model.ir_version = new.graph, new.ir_version


def vanished(model: ir.Model) -> dict[str, str]:
    """Name of each node that prepare removed -> what became of it.

    Kept with the model in memory, never in its file.
    """
    table: dict[str, str] = model.meta.setdefault("edgeq.vanished", {})
    return table


def retire(model: ir.Model, node: ir.Node, reason: str) -> None:
    """Remove a node that nothing reads any more, and record what became of it.

    Raises ValueError if one of its outputs is still read.
    """
    if node.name:
        vanished(model)[node.name] = reason
    for value in node.outputs:
        if value.uses() or value.is_graph_output():
            raise ValueError(f"node {node.name} is still read at {value.name}")
    owner(node).remove(node, safe=True)
    _detach_bodies(node)


def detach_strays(model: ir.Model) -> None:
    """Let only nodes of the model count as readers of its values.

    A tool that drops a node with bodies (a folded If) leaves the nodes inside as readers of outer
    values. Everything that asks a value for its readers trusts that they are in the model.
    """
    living = set(nodes(model))
    for value in list(values(model)):
        for node, index in list(value.uses()):
            if node not in living:
                node.replace_input_with(index, None)


def _detach_bodies(node: ir.Node) -> None:
    """Let the nodes in the bodies of a removed node read nothing any more."""
    for body in bodies_of(node):
        for inner in nodes_of(body):
            for index in range(len(inner.inputs)):
                inner.replace_input_with(index, None)


def take_over(old: ir.Value, new: ir.Value) -> None:
    """Let everything that read `old` read `new`, which also gets its name, type and shape.

    The name must stay because statistics and outputs are keyed by it.
    """
    name = old.name
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    old.name = None
    new.name = name
    new.type = old.type if old.type is not None else new.type
    new.shape = old.shape if old.shape is not None else new.shape


def bypass(model: ir.Model, node: ir.Node, reason: str) -> bool:
    """Remove a node whose first output equals its first input.

    Returns False when the graph needs it: another output is read, or the node names an output of
    the graph that nothing else can name.
    """
    source, out = node.inputs[0], node.outputs[0]
    if source is None or any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return False
    if not out.is_graph_output():
        out.replace_all_uses_with(source)
        retire(model, node, reason)
        return True
    maker = source.producer()
    if maker is None or maker.graph is not node.graph or source.is_graph_output():
        return False
    take_over(out, source)
    retire(model, node, reason)
    return True
