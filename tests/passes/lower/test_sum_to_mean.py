"""SumToMean: a sum is the mean times the number of elements."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant
from edgeq.passes.lower.sum_to_mean import SumToMean
from edgeq.testing.pass_laws import check_pass
from tests.graph_text import lines, net


def number_of(model: ir.Model) -> float:
    found = constant(model.graph.initializers["sum_number"])
    assert found is not None
    return float(found)


FEEDS = {"x": np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)}


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize(("axes", "number"), [([1], 3), ([-1, 1], 12), ([0, 1, 2], 24)])
def test_a_sum_is_a_mean_times_a_number(opset: int, axes: list[int], number: int) -> None:
    model = net("[sum] y = ReduceSum<keepdims = 0>(x, i)", inputs="float[2, 3, 4] x", constants={"i": np.array(axes)}, opset=opset)
    after = check_pass(SumToMean(), model, feeds=FEEDS)
    assert [node.op_type for node in after.graph] == ["ReduceMean", "Mul"]
    assert number_of(after) == number


def test_all_axes_where_none_are_named() -> None:
    after = check_pass(SumToMean(), net("[sum] y = ReduceSum(x)", inputs="float[2, 3, 4] x"), feeds=FEEDS)
    assert number_of(after) == 24


def test_an_unknown_size_a_sum_over_nothing_and_a_kept_node_stay() -> None:
    at_0 = {"i": np.array([0])}
    assert not SumToMean()(net("y = ReduceSum(x, i)", inputs="float[N, 3] x", constants=at_0)).modified
    nothing = net("y = ReduceSum<noop_with_empty_axes = 1>(x)", inputs="float[2, 3] x")
    assert lines(nothing) == lines(check_pass(SumToMean(), nothing, feeds={"x": FEEDS["x"][0, :2, :3]}))
    assert not SumToMean(frozenset({"sum"}))(net("[sum] y = ReduceSum(x, i)", inputs="float[2, 3] x", constants=at_0)).modified
