"""Read an onnx_ir graph: nodes with their bodies, constants, attributes, sizes and consumers."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeq.graph.operator import Operator
from edgeq.graph.operators import OPERATORS, UNKNOWN
from edgeq.graph.walk import graphs_below, nodes_of
from edgeq.numerics.arrays import AnyArray

#: the names of ONNX's own operator domain
ONNX_DOMAINS = ("", "ai.onnx")


def graphs(model: ir.Model) -> Iterator[ir.Graph]:
    """The main graph, then every If, Loop and Scan body in walk order.

    Functions are not walked: prepare inlines them.
    """
    yield model.graph
    yield from dict.fromkeys(graphs_below(model.graph))  # all at once: the caller may edit them


def nodes(model: ir.Model) -> Iterator[ir.Node]:
    """Every node in walk order: a node before the nodes of its own bodies.

    Do not add or remove nodes meanwhile; make a list first.
    """
    return nodes_of(model.graph)


def is_op(node: ir.Node | None, *op_types: str) -> bool:
    """Whether the node is one of these operators of ONNX's own domain."""
    return node is not None and node.domain in ONNX_DOMAINS and node.op_type in op_types


def operator_of(node: ir.Node | None) -> Operator:
    """The row of the node's operator; UNKNOWN if it has none or is not ONNX's own."""
    return UNKNOWN if node is None or node.domain not in ONNX_DOMAINS else OPERATORS.get(node.op_type, UNKNOWN)


def owner(node: ir.Node) -> ir.Graph:
    """The graph that holds the node. Raises ValueError if the node was removed from its graph."""
    if node.graph is None:
        raise ValueError(f"node {node.name} was removed from its graph")
    return node.graph


def constant(value: ir.Value | None) -> AnyArray | None:
    """The array of an initializer or of a Constant node's output; None for every other value.

    An initializer that a caller can override is not constant. Do not write to the array.

    >>> from edgeq.data.shipped import shipped_model
    >>> from edgeq.io.load import load_model
    >>> model = load_model(shipped_model("digits")).model
    >>> image, weight = model.graph.node(0).inputs
    >>> constant(weight).shape, constant(image)
    ((16, 1, 3, 3), None)
    """
    if value is None or value.is_graph_input():
        return None
    maker = value.producer()
    if is_op(maker, "Constant") and maker is not None and "value" in maker.attributes:
        return maker.attributes["value"].as_tensor().numpy()  # get_const_tensor would rename the tensor
    if maker is not None and maker.op_type != "Constant":
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def scalar(value: ir.Value | None) -> float | None:
    """The number of a constant of shape [] or [1]; None for every other value.

    These two are the forms that onnxruntime takes where an operator wants one number (the bounds of
    Clip, the fill value of Pad).

    >>> import onnx_ir as ir
    >>> text = '<ir_version: 8, opset_import: ["" : 17]> net (float[4] x) => (float[4] y) '
    >>> text += "<float a = {2.0}, float[1] b = {3.0}> { y = Sum(x, a, b) }"
    >>> [scalar(value) for value in ir.from_onnx_text(text).graph.node(0).inputs]
    [None, 2.0, 3.0]
    """
    array = constant(value)
    if array is None or array.shape not in ((), (1,)) or array.dtype.kind in "OSU":  # the latter are strings
        return None
    return float(array.item())


def file_bytes(tensor: ir.TensorProtocol | None) -> int:
    """The bytes that a tensor takes in a file: 0 for None, and the text of strings."""
    if tensor is None:
        return 0
    if tensor.dtype == ir.DataType.STRING:
        return sum(len(text) for text in tensor.numpy().reshape(-1).tolist())
    return tensor.nbytes


def initializer_bytes(model: ir.Model) -> int:
    """The bytes of all stored constants, bodies included: nearly the size of the file."""
    return sum(file_bytes(value.const_value) for graph in graphs(model) for value in graph.initializers.values())


def rank(value: ir.Value | None) -> int | None:
    """The number of dimensions, if it is known.

    >>> from edgeq.data.shipped import shipped_model
    >>> from edgeq.io.load import load_model
    >>> model = load_model(shipped_model("digits")).model
    >>> rank(model.graph.inputs[0])
    4
    """
    return None if value is None or value.shape is None else len(value.shape)


def dim(value: ir.Value | None, axis: int) -> int | None:
    """The size of one dimension, if it is a known number."""
    if value is None or value.shape is None or not -len(value.shape) <= axis < len(value.shape):
        return None
    size = value.shape[axis]
    return size if isinstance(size, int) else None


def attribute_int(node: ir.Node, name: str, default: int) -> int:
    """An integer attribute or its default."""
    return node.attributes.get_int(name, default)


def attribute_ints(node: ir.Node, name: str) -> tuple[int, ...] | None:
    """A list-of-integers attribute; None when absent."""
    found = node.attributes.get_ints(name)
    return None if found is None else tuple(found)


def attribute_float(node: ir.Node, name: str, default: float) -> float:
    """A float attribute or its default."""
    return node.attributes.get_float(name, default)


def only_consumer(value: ir.Value) -> ir.Node | None:
    """The only node that reads the value; None if it is read twice or is a graph output."""
    uses = value.uses()
    if len(uses) != 1 or value.is_graph_output():
        return None
    return next(iter(uses)).node


def values(model: ir.Model) -> Iterator[ir.Value]:
    """Every value of every graph, bodies included: inputs, initializers, then outputs of nodes."""
    for graph in graphs(model):
        yield from graph.inputs
        yield from (value for value in graph.initializers.values() if not value.is_graph_input())
        for node in graph:
            for value in node.outputs:
                if value.name:
                    yield value


def is_random(node: ir.Node) -> bool:
    """Whether the node may draw other numbers in every run; Dropout does so in training mode."""
    if not is_op(node, "Dropout") or len(node.inputs) < 3 or node.inputs[2] is None:
        return operator_of(node).random
    trains, ratio = constant(node.inputs[2]), constant(node.inputs[1])
    return (trains is None or bool(trains.any())) and (ratio is None or bool(ratio.any()))


def window_axes(node: ir.Node) -> int | None:
    """The number of spatial axes of a convolution or pool; None for others and where not known."""
    size = rank(node.inputs[0]) if operator_of(node).window else None
    return None if size is None else size - 2


def clip_bounds(node: ir.Node) -> tuple[float, float] | None:
    """[low, high] of a Relu or Clip with constant bounds in order; None for any other Clip.

    >>> import onnx_ir as ir
    >>> text = '<ir_version: 8, opset_import: ["" : 17]> net (float[N, 3] x) => (float[N, 3] y) '
    >>> model = ir.from_onnx_text(text + "<float l = {0.0}, float h = {6.0}> { y = Clip(x, l, h) }")
    >>> clip_bounds(model.graph.node(0))
    (0.0, 6.0)
    """
    if node.op_type == "Relu":
        return 0.0, float("inf")
    bounds = [float("-inf"), float("inf")]
    for i, name in ((1, "min"), (2, "max")):
        if i < len(node.inputs) and node.inputs[i] is not None:
            found = scalar(node.inputs[i])
            if found is None:
                return None
            bounds[i - 1] = found
        else:
            bounds[i - 1] = attribute_float(node, name, bounds[i - 1])
    return (bounds[0], bounds[1]) if bounds[0] <= bounds[1] else None
