"""JoinAffine: chains of arithmetic with constants become one Mul and one Add where that helps."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.passes.prepare.join_affine import JoinAffine
from edgeq.testing import check_pass
from edgeq.testing.pass_models import named_model
from tests.graph_text import Constants, lines, net

NUMBERS: Constants = {
    "s": np.array([0.5, 2.0, -1.0], np.float32),
    "t": np.array([[1.0, 3.0, -2.0]], np.float32),
    "row": np.ones((1, 4), np.float32),
    "column": np.ones((4, 1), np.float32),
    "wide": np.ones((2, 1, 1), np.float32),
    "two": 2.0,
    "half": 0.5,
    "zeros": np.array([1.0, 0.0, 2.0], np.float32),
}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("a = Sub(x, s) b = Div(a, t) c = Mul(b, s) y = Add(c, t)", ["Mul", "Add"]),
        ("a = Mul(x, s) y = Sub(t, a)", ["Mul", "Add"]),
        ("a = Neg(x) b = Sub(two, a) y = Div(b, t)", ["Mul", "Add"]),
        ("y = Div(x, s)", ["Mul"]),
        ("y = Sub(x, t)", ["Add"]),
        ("a = Mul(two, x) y = Mul(a, s)", ["Mul"]),
        ("a = Add(s, x) y = Add(a, two)", ["Add"]),
        ("a = Mul(x, two) b = Mul(a, half) y = Add(b, s)", ["Add"]),
        ("a = Relu(x) b = Sub(a, s) c = Relu(b) y = Div(c, s)", ["Relu", "Add", "Relu", "Mul"]),
    ],
)
def test_chains(body: str, wanted: list[str]) -> None:
    after = check_pass(JoinAffine(), net(body, inputs="float[N, 3] x", constants=NUMBERS))
    assert [node.op_type for node in after.graph] == wanted


def test_a_chain_without_a_layer() -> None:
    after = check_pass(JoinAffine(), named_model("affine_without_layer"))
    assert [node.op_type for node in after.graph] == ["Relu", "Mul", "Add", "Mul"]


@pytest.mark.parametrize(
    "body",
    [
        "a = Mul(x, s) y = Add(a, t)",  # as it should be
        "a = Add(x, s) y = Mul(a, t)",  # no node less
        "y = Sub(two, x)",  # would be two nodes
        "y = Div(x, zeros)",
        "y = Div(s, x)",
        "y = Sub(x, wide)",  # the rank grows
        "a = Div(x, two) y = Erf(a)",  # part of a GELU
        "a = MatMul(x, v) y = Div(a, two)",  # attention
        "y = Neg(x)",
    ],
)
def test_others_stay(body: str) -> None:
    assert not JoinAffine()(net(body, inputs="float[N, 3] x, float[3, 3] v", constants=NUMBERS)).modified


def test_what_others_read_stays() -> None:
    model = net("a = Add(x, s) y = Mul(a, t) z = Sub(y, s)", inputs="float[N, 3] x", outputs="float y, float z", constants=NUMBERS)
    assert lines(check_pass(JoinAffine(), model))[:2] == ["a = Add(x, s)", "y = Mul(a, t)"]


def test_a_constant_of_all_places_does_not_grow_from_a_row_and_a_column() -> None:
    model = net("a = Sub(x, row) y = Div(a, column)", inputs="float[4, 4] x", constants=NUMBERS)
    after = check_pass(JoinAffine(), model)
    assert max(value.const_value.size for value in after.graph.initializers.values() if value.const_value is not None and value.uses()) == 4
