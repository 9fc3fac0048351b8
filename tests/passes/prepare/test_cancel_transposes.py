"""CancelTransposes: networks exported as NHWC lose their Transposes; others keep what they need."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.read import constant, nodes
from edgeq.passes.prepare.cancel_transposes import CancelTransposes
from edgeq.testing import check_pass
from tests.graph_text import Constants, lines, net, weights

THERE, BACK = "Transpose<perm = [0, 2, 3, 1]>", "Transpose<perm = [0, 3, 1, 2]>"
NUMBERS: Constants = {
    "w": weights(4, 4, 3, 3),
    "b": np.arange(4, dtype=np.float32),
    "plane": np.arange(25, dtype=np.float32).reshape(5, 5, 1),
    "low": 0.0,
    "high": 6.0,
    "slope": np.full((1, 1, 1), 0.1, np.float32),
}
X = "float[N, 4, 5, 5] x"


@pytest.mark.parametrize(
    ("between", "wanted"),
    [
        ("a = Add(t, b) u = Relu(a)", ["a = Add(x, b_transposed)", "y = Relu(a)"]),
        ("a = Sub(b, t) u = Mul(a, plane)", ["a = Sub(b_transposed, x)", "y = Mul(a, plane_transposed)"]),
        ("u = Clip(t, low, high)", ["y = Clip(x, low, high)"]),
        ("u = PRelu(t, slope)", ["y = PRelu(x, slope)"]),
        ("a = Sigmoid(t) u = Mul(a, t)", ["a = Sigmoid(x)", "y = Mul(a, x)"]),
        ("u = Concat<axis = -1>(t, t)", ["y = Concat(x, x)"]),
    ],
)
def test_nodes_between_compute_in_the_other_order(between: str, wanted: list[str]) -> None:
    model = net(f"t = {THERE}(x) {between} y = {BACK}(u)", inputs=X, constants=NUMBERS)
    assert lines(check_pass(CancelTransposes(), model)) == wanted


def test_a_concat_names_the_other_axis() -> None:
    model = net(f"t = {THERE}(x) u = Concat<axis = -1>(t, t) y = {BACK}(u)", inputs=X)
    after = check_pass(CancelTransposes(), model)
    assert next(nodes(after)).attributes["axis"].as_int() == 1


def test_residuals_share_one_order() -> None:
    body = f"""c = Conv<pads = [1, 1, 1, 1]>(x, w) t = {THERE}(c) a = Add(t, b) r = Relu(a) u = {BACK}(r)
    d = Conv<pads = [1, 1, 1, 1]>(u, w) v = {THERE}(d) e = Add(v, b) f = Add(e, r) g = Relu(f)
    m = ReduceMean<axes = [1, 2], keepdims = 0>(g) y = Softmax(m)"""
    after = check_pass(CancelTransposes(), net(body, inputs=X, constants=NUMBERS))
    assert [node.op_type for node in after.graph] == ["Conv", "Add", "Relu", "Conv", "Add", "Add", "Relu", "ReduceMean", "Softmax"]


def test_a_mean_of_opset_18_gets_axes_of_its_own() -> None:
    constants = {**NUMBERS, "axes": np.array([1, 2])}
    body = f"t = {THERE}(x) r = Relu(t) y = ReduceMean<keepdims = 0>(r, axes) z = ReduceMean<keepdims = 0>(x, axes)"
    after = check_pass(CancelTransposes(), net(body, inputs=X, outputs="float y, float z", constants=constants, opset=18))
    assert [node.op_type for node in after.graph] == ["Relu", "ReduceMean", "ReduceMean"]
    moved, own = (constant(node.inputs[1]) for node in list(after.graph)[1:])
    assert (list(moved if moved is not None else ()), list(own if own is not None else ())) == ([2, 3], [1, 2])


def test_one_reader_elsewhere_reads_a_transposed_copy() -> None:
    body = f"s = {THERE}(x) t = {THERE}(v) a = Add(s, t) y = {BACK}(a) z = Softmax(a)"
    after = check_pass(CancelTransposes(), net(body, inputs=f"{X}, float[N, 4, 5, 5] v", outputs="float y, float z", constants=NUMBERS))
    assert lines(after) == ["y = Add(x, v)", "a_transposed = Transpose(y)", "z = Softmax(a_transposed)"]


@pytest.mark.parametrize(
    "body",
    [
        f"t = {THERE}(x) a = Add(t, b) y = Relu(a)",  # nothing changes the order back
        f"t = {THERE}(x) a = Add(t, b) r = Softmax(a) y = {BACK}(r)",  # a Softmax is over the last axis
        f"t = {THERE}(x) a = Add(t, v) y = {BACK}(a)",  # a value that is not constant
        f"t = {THERE}(x) a = Add(t, b) y = {THERE}(a)",  # another order
        f"t = {THERE}(x) y = ReduceMean<axes = [1], keepdims = 0>(t)",  # W and C would change places
    ],
)
def test_others_stay(body: str) -> None:
    assert not CancelTransposes()(net(body, inputs=f"{X}, float[5, 5, 4] v", constants=NUMBERS)).modified


def test_an_output_between_keeps_the_transposes() -> None:
    model = net(f"t = {THERE}(x) a = Add(t, b) y = {BACK}(a)", inputs=X, outputs="float y, float a", constants=NUMBERS)
    assert not CancelTransposes()(model).modified


def test_two_transposes_become_one() -> None:
    model = net(f"t = {THERE}(x) y = {THERE}(t)", inputs=X)
    after = check_pass(CancelTransposes(), model)
    assert lines(after) == ["y = Transpose(x)"]
    assert next(nodes(after)).attributes["perm"].as_ints() == (0, 3, 1, 2)
