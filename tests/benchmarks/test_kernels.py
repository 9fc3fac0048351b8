"""Tests of the measurement of single operators."""

from __future__ import annotations

import onnx

from benchmarks.kernels import chains, profile_chain


def test_an_operator_is_told_from_its_surroundings() -> None:
    """The layers around it, and the conversions and layout changes at the ends of the graph, are no
    part of it.
    """
    chain = chains.Chain("Cos", "[op] b = Cos(a)")
    found = profile_chain.measure({"float": chains.network(chain)}, rounds=1)["float"]
    assert found.op > 0
    assert found.layers > 0
    assert found.quantize == found.dequantize == 0
    graph = onnx.parser.parse_graph("""g (float[1, 2] x) => (float[1, 2] y) {
        [in] t = Transpose(x)  [first] a = Relu(t)  [op] b = Transpose(a)  [last] c = Relu(b)  [out] y = Transpose(c) }""")
    assert profile_chain.ends(graph) == {"in", "out"}
