"""The walk over nodes and bodies gives what onnx_ir's own gives, in its order, however nested."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import graphs, nodes
from edgeq.graph.walk import bodies_of, graphs_below, nodes_of

#: bodies side by side and inside each other, an empty one in the middle
NESTED = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[2] x, bool c, bool d) => (float[2] z) {
    a = Relu(x)
    y = If(c) <
        then_branch = inner () => (float[2] p) {
            q = Neg(a)
            p = If(d) <then_branch = deep () => (float[2] r) { r = Abs(q) }, else_branch = other () => (float[2] s) { s = Exp(q) }>
        },
        else_branch = last () => (float[2] t) { t = Identity(a) }
    >
    z = Sqrt(y)
}
"""


def _model() -> ir.Model:
    return ir.from_onnx_text(NESTED)


def test_nodes_come_in_the_order_of_onnx_ir() -> None:
    model = _model()
    found = list(nodes(model))
    assert found == list(model.graph.all_nodes())
    assert [node.op_type for node in found] == ["Relu", "If", "Neg", "If", "Abs", "Exp", "Identity", "Sqrt"]


def test_graphs_come_in_the_order_of_onnx_ir() -> None:
    model = _model()
    assert list(graphs(model)) == [model.graph, *model.graph.subgraphs()]
    assert [graph.name for graph in graphs_below(model.graph)] == ["inner", "deep", "other", "last"]


def test_an_empty_body_is_a_graph_without_nodes() -> None:
    model = _model()
    inner = model.graph.node(1).attributes["then_branch"].as_graph()
    empty = ir.Graph([], [], nodes=[], name="empty")
    model.graph.node(0).attributes.add(ir.AttrGraphs("bodies", [empty, empty]))
    assert list(bodies_of(model.graph.node(0))) == [empty, empty]
    assert next(graph for graph in graphs(model) if graph is not model.graph) is empty
    assert [graph.name for graph in graphs(model)] == ["net", "empty", "inner", "deep", "other", "last"]
    assert [node.op_type for node in nodes_of(inner)] == ["Neg", "If", "Abs", "Exp"]


def test_a_body_may_be_edited_while_graphs_are_walked() -> None:
    model = _model()
    for graph in graphs(model):
        for node in [node for node in graph if node.op_type == "Identity"]:
            node.op_type = "Neg"
            graph.insert_before(node, ir.Node("", "Relu", [node.inputs[0]], name="new"))
    assert [node.op_type for node in nodes(model)].count("Relu") == 2
