"""FunctionsOnRows: functions stand behind their layer, and no Reshape stands between two layers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.passes.lower.functions_on_rows import FunctionsOnRows
from edgeq.runtimes.ort import open_session
from tests.graph_text import Constants, lines, net, weights

W: Constants = {
    "w": weights(64, 32),
    "v": weights(32, 16, seed=1),
    "b": weights(32),
    "c": weights(16),
    "rows": np.array([196, 32]),
    "whole": np.array([2, 98, 32]),
    "open": np.array([2, -1, 32]),
    "low": np.float32(0),
    "high": np.float32(6),
}
ROWS = "float[196, 64] x"


@pytest.mark.parametrize("function", ["Relu(z)", "Clip(z, low, high)", "Sigmoid(z)", "LeakyRelu<alpha = 0.2>(z)"])
def test_a_function_between_two_reshapes_is_left_alone_between_two_layers(function: str) -> None:
    body = f"g = Gemm(x, w, b) z = Reshape(g, whole) f = {function} r = Reshape(f, rows) y = Gemm(r, v, c)"
    model, same = (net(body, inputs=ROWS, constants=W) for _ in range(2))
    assert FunctionsOnRows()(model).modified
    assert not FunctionsOnRows()(model).modified
    assert [node.op_type for node in model.graph] == ["Gemm", function.partition("(")[0].partition("<")[0], "Gemm"]
    x = np.random.default_rng(0).normal(size=(196, 64)).astype(np.float32)
    results = [open_session(one).run({"x": x})[0] for one in (model, same)]
    assert np.array_equal(*results)


def test_several_functions_move_and_an_output_keeps_its_name_and_shape() -> None:
    body = "g = Gemm(x, w, b) z = Reshape(g, whole) f = Tanh(z) y = Abs(f)"
    model = net(body, inputs=ROWS, outputs="float[2, 98, 32] y", constants=W)
    assert FunctionsOnRows()(model).modified
    assert [node.op_type for node in model.graph] == ["Gemm", "Tanh", "Abs", "Reshape"]
    assert [str(value.name) for value in model.graph.outputs] == ["y"]
    assert list(model.graph.outputs[0].shape or ()) == [2, 98, 32]


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        ("g = Gemm(x, w, b) z = Reshape(g, whole) y = Softmax(z)", "float y"),  # of a whole row
        ("g = Gemm(x, w, b) z = Reshape(g, open) y = Relu(z)", "float y"),  # a size is left to the run
        ("g = Relu(x) z = Reshape(g, back) y = Relu(z)", "float y"),  # no layer before it
        ("g = Gemm(x, w, b) z = Reshape(g, whole) y = Relu(z) u = Neg(z)", "float y, float u"),  # it is read twice
    ],
)
def test_others_stay(body: str, outputs: str) -> None:
    model = net(body, inputs=ROWS, outputs=outputs, constants={**W, "back": np.array([2, 98, 64])})
    before = lines(model)
    assert not FunctionsOnRows()(model).modified
    assert lines(model) == before


def test_a_relu_of_three_axes_is_absorbed() -> None:
    body = "m = MatMul(x, w) a = Add(m, b) [r] f = Relu(a) n = MatMul(f, v) y = Add(n, c)"
    model = net(body, inputs="float[1, 98, 64] x", constants={name: W[name] for name in "wvbc"})
    done = quantize(model, {"x": np.random.default_rng(0).normal(size=(8, 98, 64)).astype(np.float32)}, prove=False)
    assert done.plan.nodes["r"].runs == "absorbed"
    assert sum(node.op_type == "Reshape" for node in done.model.graph) == 2
