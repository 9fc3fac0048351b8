"""Walking an onnx_ir graph: every node with its bodies, constants, consumers, and names that are still free."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

#: the names of ONNX's own operator domain
ONNX_DOMAINS = ("", "ai.onnx")


def graphs(model: ir.Model) -> Iterator[ir.Graph]:
    """The main graph, then every If/Loop/Scan body in walk order. Functions are not walked: prepare inlines them."""
    yield model.graph
    yield from model.graph.subgraphs()


def nodes(model: ir.Model) -> Iterator[ir.Node]:
    """Every node in walk order: a node before the nodes of its own bodies. Do not add or remove nodes meanwhile; list() it first."""
    yield from model.graph.all_nodes()


def is_op(node: ir.Node | None, *op_types: str) -> bool:
    """Whether the node is one of these operators of ONNX's own domain."""
    return node is not None and node.domain in ONNX_DOMAINS and node.op_type in op_types


def owner(node: ir.Node) -> ir.Graph:
    """The graph that holds the node."""
    if node.graph is None:
        raise ValueError(f"node {node.name} was removed from its graph")
    return node.graph


def constant(value: ir.Value | None) -> NDArray[np.generic] | None:
    """The array of an initializer (that no caller can override) or of a Constant node's output; None for all else. Do not write to it."""
    if value is None or value.is_graph_input():
        return None
    maker = value.producer()
    if is_op(maker, "Constant") and maker is not None and "value" in maker.attributes:
        return maker.attributes["value"].as_tensor().numpy()  # get_const_tensor would rename the tensor
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def rank(value: ir.Value | None) -> int | None:
    """The number of dimensions where it is known."""
    return None if value is None or value.shape is None else len(value.shape)


def dim(value: ir.Value | None, axis: int) -> int | None:
    """The size of one dimension where it is a known number."""
    if value is None or value.shape is None or not -len(value.shape) <= axis < len(value.shape):
        return None
    size = value.shape[axis]
    return size if isinstance(size, int) else None


def attribute_int(node: ir.Node, name: str, default: int) -> int:
    """An integer attribute or its default."""
    return node.attributes.get_int(name, default)


def attribute_ints(node: ir.Node, name: str) -> tuple[int, ...] | None:
    """A list-of-integers attribute, None when absent."""
    found = node.attributes.get_ints(name)
    return None if found is None else tuple(found)


def attribute_float(node: ir.Node, name: str, default: float) -> float:
    """A float attribute or its default."""
    return node.attributes.get_float(name, default)


def only_consumer(value: ir.Value) -> ir.Node | None:
    """The one node that reads the value, when nothing else does (no second use, not a graph output)."""
    uses = value.uses()
    if len(uses) != 1 or value.is_graph_output():
        return None
    return next(iter(uses)).node


def values(model: ir.Model) -> Iterator[ir.Value]:
    """Every named value once a graph: inputs, initializers, then the nodes' outputs, bodies included."""
    for graph in graphs(model):
        yield from graph.inputs
        yield from (value for value in graph.initializers.values() if not value.is_graph_input())
        for node in graph:
            yield from (value for value in node.outputs if value.name)


class Names:
    """The names in use over a whole model, bodies included; hands out free ones, the same in every run."""

    def __init__(self, model: ir.Model) -> None:
        self._values = {value.name for value in values(model) if value.name}
        self._nodes = {node.name for node in nodes(model) if node.name}

    def value(self, wanted: str) -> str:
        """`wanted`, or with _1, _2, ... the first that no value has."""
        return free_name(wanted, self._values)

    def node(self, wanted: str) -> str:
        """`wanted`, or with _1, _2, ... the first that no node has."""
        return free_name(wanted, self._nodes)


def free_name(wanted: str, used: set[str]) -> str:
    """`wanted`, or with _1, _2, ... the first that is not in `used`; it is added there."""
    name, number = wanted, 0
    while name in used:
        number += 1
        name = f"{wanted}_{number}"
    used.add(name)
    return name


def add_constant(graph: ir.Graph, array: NDArray[np.generic], name: str) -> ir.Value:
    """A new initializer of `graph`. `name` must be free: take it from Names."""
    value = ir.Value(
        name=name,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        const_value=ir.tensor(np.ascontiguousarray(array) if array.ndim else array, name=name),
    )
    graph.register_initializer(value)
    return value


def replace_constant(node: ir.Node, index: int, array: NDArray[np.generic], names: Names) -> None:
    """Let the node read `array` at this input: in place when no one else reads the old constant, else as a new initializer."""
    old = node.inputs[index] if index < len(node.inputs) else None
    if old is not None and old.is_initializer() and len(old.uses()) == 1 and not (old.is_graph_output() or old.is_graph_input()):
        old.const_value = ir.tensor(np.ascontiguousarray(array), name=old.name)
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
    """A new one-output node just before `before`; its output value, typed and shaped like nothing yet. Names must be free."""
    value = ir.Value(name=output)
    owner(before).insert_before(before, ir.Node("", op_type, inputs, (attributes or {}).values(), outputs=[value], name=name))
    return value


def drop_unread_constants(model: ir.Model) -> int:
    """Remove the initializers that nothing reads; returns how many."""
    dropped = 0
    for graph in graphs(model):
        for name, value in list(graph.initializers.items()):
            if not value.uses() and not value.is_graph_output() and not value.is_graph_input():
                del graph.initializers[name]
                dropped += 1
    return dropped


def replace_graph(model: ir.Model, new: ir.Model) -> None:
    """Let `model` hold the graph of `new`; what is noted beside the model stays."""
    model.graph, model.ir_version = new.graph, new.ir_version


def vanished(model: ir.Model) -> dict[str, str]:
    """Name of each node that prepare took away -> what became of it. Kept beside the model in memory, never in its file."""
    table: dict[str, str] = model.meta.setdefault("edgeq.vanished", {})
    return table


def retire(model: ir.Model, node: ir.Node, reason: str) -> None:
    """Remove a node that nothing reads any more, and note what became of it."""
    if node.name:
        vanished(model)[node.name] = reason
    for value in node.outputs:
        if value.uses() or value.is_graph_output():
            raise ValueError(f"node {node.name} is still read at {value.name}")
    owner(node).remove(node, safe=True)


def take_over(old: ir.Value, new: ir.Value) -> None:
    """Everything that read `old` reads `new`, which also gets its name, type and shape: statistics and outputs are keyed by the name."""
    name = old.name
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    old.name = None
    new.name = name
    new.type = old.type if old.type is not None else new.type
    new.shape = old.shape if old.shape is not None else new.shape


def bypass(model: ir.Model, node: ir.Node, reason: str) -> bool:
    """Remove a node whose first output equals its first input. False when the graph needs it: it names an output that nothing else can."""
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
