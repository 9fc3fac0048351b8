"""Nodes that stand before what they read are sorted; nodes that read themselves are refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgeq.errors import BadModel
from edgeq.graph.read import graphs
from edgeq.io.load import load_proto
from edgeq.runtimes.ort import open_session

NET = """<ir_version: 8, opset_import: ["" : 17]> net (float[2] x, bool c) => (float[2] y, float[2] z) {
    a = Neg(x)  b = Exp(a)  k = Add(a, b)  z = Abs(x)
    y = If(c) <then_branch = t () => (o) { p = Mul(k, k)  q = Add(p, z)  o = Neg(q) }, else_branch = e () => (r) { r = Identity(b) }>
}"""
FEEDS = {"x": np.array([-1.0, 2.0], np.float32), "c": np.array(True)}


def outputs(model: onnx.ModelProto) -> list[np.ndarray]:
    with open_session(load_proto(model).model) as session:
        return session.run(FEEDS)


def turned(nodes: list[onnx.NodeProto], order: list[int]) -> list[onnx.NodeProto]:
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    return [copies[place] for place in order]


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [1, 0, 4, 2, 3], [4, 0, 1, 2, 3]])
def test_nodes_out_of_order_are_sorted_and_compute_the_same(order: list[int]) -> None:
    model = onnx.parser.parse_model(NET)
    wanted = outputs(model)
    nodes = turned(list(model.graph.node), order)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert "sorted" in load_proto(model).notes[0]
    for ours, theirs in zip(outputs(model), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_body_out_of_order_is_sorted_too() -> None:
    model = onnx.parser.parse_model(NET)
    wanted = outputs(model)
    body = model.graph.node[4].attribute[0].g
    nodes = turned(list(body.node), [2, 1, 0])
    del body.node[:]
    body.node.extend(nodes)
    loaded = load_proto(model)
    assert [node.op_type for node in list(graphs(loaded.model))[1]] == ["Mul", "Add", "Neg"]
    for ours, theirs in zip(outputs(model), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nodes_in_order_stay_where_they_are() -> None:
    loaded = load_proto(onnx.parser.parse_model(NET))
    assert loaded.notes == () and [node.op_type for node in loaded.model.graph] == ["Neg", "Exp", "Add", "Abs", "If"]


def test_a_cycle_is_refused_by_the_name_of_a_node_in_it() -> None:
    model = onnx.parser.parse_model(NET)
    model.graph.node[0].input[0], model.graph.node[0].name = "k", "first"
    with pytest.raises(BadModel, match="cycle") as caught:
        load_proto(model)
    assert "first" in caught.value.where


def test_a_cycle_through_a_body_is_refused() -> None:
    model = onnx.parser.parse_model(NET)
    model.graph.node[0].input[0], model.graph.node[0].name = "y", "first"
    with pytest.raises(BadModel, match="cycle"):
        load_proto(model)
