"""ForgetShapes: a smaller file that says the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from edgeq.passes.prepare.forget_shapes import ForgetShapes
from edgeq.runtimes.ort import open_session
from tests.graph_text import net, weights

BODY = "a = Conv<pads = [1, 1, 1, 1]>(x, w)  b = Relu(a)  y = Conv(b, w)"


def test_inner_values_are_forgotten_and_the_ends_are_not() -> None:
    model = net(BODY, constants={"w": weights(8, 8, 3, 3)})
    assert ForgetShapes()(model).modified
    proto = ir.to_proto(model)
    assert not proto.graph.value_info
    assert [d.dim_value for d in proto.graph.output[0].type.tensor_type.shape.dim] == [1, 8, 14, 14]
    onnx.checker.check_model(proto, full_check=True)
    assert not ForgetShapes()(model).modified


def test_bodies_and_foreign_operators_keep_theirs() -> None:
    branches = "then_branch = g () => (float[2] p) { p = Neg(x) }, else_branch = h () => (float[2] q) { q = Abs(x) }"
    model = net(f"b = If(c) <{branches}>  y = Relu(b)", inputs="float[2] x, bool c")
    assert not ForgetShapes()(model).modified
    foreign = net("a = Relu(x)  y = Neg(a)", inputs="float[2] x")
    foreign.graph[0].domain = "my.own"
    assert not ForgetShapes()(foreign).modified


def test_the_numbers_stay() -> None:
    feeds = {"x": np.random.default_rng(0).normal(size=(1, 8, 16, 16)).astype(np.float32)}
    model = net(BODY, constants={"w": weights(8, 8, 3, 3)})
    before = open_session(model, optimize="off").run(feeds)[0]
    ForgetShapes()(model)
    assert np.array_equal(open_session(model, optimize="off").run(feeds)[0], before)
