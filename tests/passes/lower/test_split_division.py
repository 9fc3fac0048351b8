"""SplitDivision: products with reciprocals, constant where the divisor is."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import constant
from edgeq.passes.lower.split_division import SplitDivision
from edgeq.testing.pass_laws import check_pass
from tests.graph_text import lines, net

FEEDS = {"x": np.linspace(-3, 3, 8, dtype=np.float32).reshape(2, 4), "u": np.linspace(1, 4, 8, dtype=np.float32).reshape(2, 4)}


def test_a_constant_divisor_becomes_a_factor() -> None:
    model = net("[div] y = Div(x, d)", inputs="float[2, 4] x", constants={"d": np.array([2, -4, 0.5, 1], np.float32)})
    after = check_pass(SplitDivision(), model, feeds={"x": FEEDS["x"]})
    assert lines(after) == ["y = Mul(x, div_factor)"]
    factor = constant(after.graph.initializers["div_factor"])
    assert factor is not None and factor.tolist() == [0.5, -0.25, 2, 1]


def test_a_computed_divisor_becomes_a_reciprocal() -> None:
    after = check_pass(SplitDivision(), net("[div] y = Div(x, u)", inputs="float[2, 4] x, float[2, 4] u"), feeds=FEEDS)
    assert lines(after) == ["div_reciprocal = Reciprocal(u)", "y = Mul(x, div_reciprocal)"]


def test_one_divided_by_a_value_is_its_reciprocal() -> None:
    model = net("[div] y = Div(k, u)", inputs="float[2, 4] u", constants={"k": np.float32(1)})
    assert lines(check_pass(SplitDivision(), model, feeds={"u": FEEDS["u"]})) == ["y = Reciprocal(u)"]


def test_a_divisor_of_zero_is_left_to_the_reciprocal() -> None:
    model = net("[div] y = Div(x, d)", inputs="float[2, 4] x", constants={"d": np.array([2, 0, 1, 1], np.float32)})
    assert SplitDivision()(model).modified
    assert lines(model) == ["div_reciprocal = Reciprocal(d)", "y = Mul(x, div_reciprocal)"]


def test_integers_and_kept_nodes_stay() -> None:
    shapes = net("[div] n = Div(s, k) y = Cast<to = 1>(n)", inputs="int64[4] s", constants={"k": np.array(2)}, outputs="float[4] y")
    assert not SplitDivision()(shapes).modified
    assert not SplitDivision(frozenset({"div"}))(net("[div] y = Div(x, u)", inputs="float[2, 4] x, float[2, 4] u")).modified
