"""Walks through a model with bodies in bodies: the order of onnx_ir's own walks."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from edgeq.graph.read import graphs, nodes


def nested() -> ir.Model:
    """If nodes in both branches of an If, with a node before and behind each."""

    def branch(name: str, depth: int) -> onnx.GraphProto:
        made = [onnx.helper.make_node("Relu", ["x"], [f"{name}a"])]
        if depth:
            inner = {"then_branch": branch(f"{name}t", depth - 1), "else_branch": branch(f"{name}e", depth - 1)}
            made.append(onnx.helper.make_node("If", ["c"], [f"{name}i"], **inner))
        made.append(onnx.helper.make_node("Neg", [f"{name}a"], [f"{name}z"]))
        return onnx.helper.make_graph(made, name, [], [onnx.helper.make_tensor_value_info(f"{name}z", 1, [2])])

    graph = branch("g", 3)
    graph.input.extend([onnx.helper.make_tensor_value_info("x", 1, [2]), onnx.helper.make_tensor_value_info("c", 9, [])])
    return ir.from_proto(onnx.helper.make_model(graph))


def test_nodes_and_graphs_come_in_the_order_of_onnx_ir() -> None:
    model = nested()
    assert list(nodes(model)) == list(model.graph.all_nodes())
    assert list(graphs(model)) == [model.graph, *model.graph.subgraphs()] and len(list(graphs(model))) == 15


def test_a_model_without_bodies_is_one_graph() -> None:
    model = ir.from_onnx_text('<ir_version: 8, opset_import: ["" : 17]> net (float[4] x) => (float[4] y) { a = Neg(x)  y = Relu(a) }')
    assert [node.op_type for node in nodes(model)] == ["Neg", "Relu"] and list(graphs(model)) == [model.graph]
