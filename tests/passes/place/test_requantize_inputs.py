"""RequantizeInputs: a kernel that copies codes gets all its inputs on the grid of its output."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import constant
from edgeq.passes.place.requantize_inputs import RequantizeInputs
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines
from tests.qdq_toys import codes_net


def test_concat_gets_its_inputs_on_one_grid() -> None:
    body = "af = DequantizeLinear(a, s, z) bf = DequantizeLinear(b, t, z) [cat] c = Concat<axis = 1>(af, bf) q = QuantizeLinear(c, t, z)"
    model = codes_net(body)
    feeds = {"a": np.array([[100, -100]], np.int8), "b": np.array([[5, 6]], np.int8)}
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run(feeds)
    assert RequantizeInputs({"cat"})(model).modified
    assert lines(model).count("a_requantized = QuantizeLinear(af, t, z)") == 0  # named after node and value
    assert [node.op_type for node in model.graph].count("QuantizeLinear") == 2
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run(feeds)[0], wanted)
    assert not RequantizeInputs({"cat"})(model).modified


def test_a_constant_is_stored_on_the_new_grid() -> None:
    body = "af = DequantizeLinear(a, t, z) kf = DequantizeLinear(k, s, z) [cat] c = Concat<axis = 1>(af, kf) q = QuantizeLinear(c, t, z)"
    model = codes_net(body.replace("[cat]", "f = Identity(b) [cat]"), k=np.array([[3, 11, 103]], np.int8), outputs="int8[1, 5] q")
    assert RequantizeInputs({"cat"})(model).modified
    assert [line for line in lines(model) if "QuantizeLinear" in line] == ["q = QuantizeLinear(c, t, z)"]
    stored = constant(next(node for node in model.graph if node.name == "cat").inputs[1].producer().inputs[0])  # type: ignore[union-attr]
    assert np.asarray(stored).tolist() == [[3, 7, 53]]  # 0, 1 and 12.5 in steps of 1/4


def test_other_nodes_stay() -> None:
    body = "af = DequantizeLinear(a, s, z) bf = DequantizeLinear(b, t, z) [cat] c = Concat<axis = 1>(af, bf) q = QuantizeLinear(c, t, z)"
    assert not RequantizeInputs({"other"})(codes_net(body)).modified
