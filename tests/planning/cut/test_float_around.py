"""The float nodes around a node, against a search from each node alone."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.planning.cut.float_around import NAMED, FloatAround
from edgeq.planning.cut.placement_cut import Cause, GraphCut
from edgeq.schema.target import load_target
from tests.graph_text import net

#: a chain, two branches that meet, and a part between two nodes that must be float
GRAPHS = {
    "chain": "[a] a = Sin(x) [b] b = Relu(a) [c] c = Relu(b) [d] d = Relu(c) [e] e = Cos(d) [f] f = Relu(e) [g] y = Relu(f)",
    "branches": "[a] a = Sin(x) [b] b = Relu(a) [c] c = Relu(x) [d] d = Add(b, c) [e] e = Cos(c) [f] f = Relu(d) [g] y = Add(f, e)",
    "three": "[a] a = Sin(x) [b] b = Cos(x) [c] c = Tan(x) [d] d = Add(a, b) [e] e = Add(d, c) [f] y = Relu(e)",
    "none": "[a] a = Relu(x) [b] b = Relu(a) [c] y = Relu(b)",
}


def alone(cut: GraphCut, start: ir.Node) -> tuple[dict[str, int], bool]:
    """Name of each node that must be float -> steps to it, and whether an output is reached."""
    found: dict[str, int] = {}
    steps, seen, at_output = [(start, 0)], {start}, False
    for here, away in steps:
        at_output |= any(value.is_graph_output() for value in here.outputs)
        makers = [value.producer() for value in here.inputs if value is not None]
        for other in (*makers, *(use.node for value in here.outputs for use in value.uses())):
            if other is None or other in seen or cut.is_integer(other):
                continue
            seen.add(other)
            if other.name in cut.obstacles:
                found[str(other.name)] = away + 1
            else:
                steps.append((other, away + 1))
    return found, at_output


@pytest.mark.parametrize("graph", GRAPHS)
def test_is_what_a_search_from_each_node_finds(graph: str) -> None:
    model = net(GRAPHS[graph], inputs="float[N, 4] x", outputs="float[N, 4] y")
    InferShapes()(model)
    cut = GraphCut(model.graph, load_target("cpu"), {}, {})
    around = FloatAround(cut)
    by_cost = [node for node in model.graph if not cut.is_integer(node) and node.name not in cut.obstacles]
    assert by_cost
    for node in by_cost:
        wanted, at_output = alone(cut, node)
        names = [str(one.name) for one in around.nearest(node)]
        assert len(set(names)) == len(names) == min(NAMED, len(wanted))
        assert sorted(wanted[name] for name in names) == sorted(wanted.values())[:NAMED]
        assert around.at_output(node) == at_output


def test_shape_arithmetic_explains_nothing() -> None:
    model = net("[a] a = Relu(x) [b] y = Relu(a)", inputs="float[N, 4] x", outputs="float[N, 4] y")
    InferShapes()(model)
    cut = GraphCut(model.graph, load_target("cpu"), {"a": Cause("no_float", "integers")}, {})
    assert FloatAround(cut).nearest(model.graph.node("b")) == []
