"""FoldConstants: computed weights become initializers, and a constant If gives its branch the place
and the names.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.edit import vanished
from edgeq.graph.read import nodes, values
from edgeq.io.load import load_proto
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.testing import check_pass
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines, net, weights


def test_a_computed_weight_becomes_an_initializer() -> None:
    model = named_model("computed_weight")
    assert FoldConstants()(model).modified
    assert [node.op_type for node in nodes(model)] == ["MatMul"]
    assert vanished(model) == {"Transpose_0": "constant-folded", "Exp_1": "constant-folded"}


def test_nodes_of_a_folded_if_keep_their_names() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> net (float[2] x) => (float[2] y) <float one = {1.0}, float two = {2.0}> {
        [never] c = Less(two, one)
        [choice] o = If (c) <then_branch = t () => (float[2] tv) { [dead] tv = Exp(x) },
                             else_branch = e () => (float[2] ev) { [alive] ev = Relu(x) }>
        [last] y = Relu(o) }"""
    model = load_proto(ir.from_onnx_text(text)).model
    assert FoldConstants()(model).modified
    assert [node.name for node in nodes(model)] == ["alive", "last"]
    assert set(vanished(model)) == {"never", "choice", "dead"}


def test_nothing_to_fold_changes_nothing() -> None:
    model = named_model("conv_bn_relu")
    before = lines(model)
    assert not FoldConstants()(model).modified
    assert lines(model) == before


TABLE = """<ir_version: 8, opset_import: ["" : 17]> net (float[4, 64] x) => (float[4, 64] y)
    <float zero = {0}, float end = {64}, float one = {1}, int64[1] column = {1}> {
    i = Range(zero, end, one)  j = Unsqueeze(i, column)  t = Mul(i, j)  y = MatMul(x, t) }"""


def test_a_computed_table_is_folded_only_where_the_file_may_grow() -> None:
    model = load_proto(ir.from_onnx_text(TABLE)).model
    InferShapes()(model)
    FoldConstants()(model)
    assert [node.op_type for node in nodes(model)] == ["Mul", "MatMul"]  # the ranges take no more than their nodes
    assert not FoldConstants()(model).modified
    assert FoldConstants(grow=True)(model).modified
    assert [node.op_type for node in nodes(model)] == ["MatMul"]


def test_nodes_of_a_branch_that_is_never_taken_are_no_readers() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> net (float[2] x) => (float[2] y) <int64 i = {1}, float[1] k = {2}> {
        c = Equal(i, i)
        z = If (c) <then_branch = t () => (float[2] tv) { tv = Add(x, k) },
                    else_branch = e () => (float[2] ev) { m = Mul(x, k)
                        n = If (c) <then_branch = tt () => (float[2] a) { a = Exp(x) }, else_branch = ee () => (float[2] b) { b = Abs(m) }>
                        ev = Mul(n, x) }>
        y = Mul(x, z) }"""
    model = load_proto(ir.from_onnx_text(text)).model
    assert FoldConstants()(model).modified
    assert [node.op_type for node in nodes(model)] == ["Add", "Mul"]
    living = set(nodes(model))
    assert all(use.node in living for value in values(model) for use in value.uses())


@pytest.mark.parametrize("norm", ["n = ReduceL2<axes = [1, 2]>(v)", "q = Mul(v, v) s = ReduceSum(q, axes) n = Sqrt(s)"])
def test_a_weight_that_is_normalized_in_the_graph_is_stored(norm: str) -> None:
    """Weight normalization: g * v / |v|, as exporters leave it."""
    constants = {"v": weights(8, 4, 3), "g": np.arange(1.0, 9.0).reshape(8, 1, 1), "axes": np.array([1, 2])}
    model = net(f"{norm} d = Div(v, n) w = Mul(g, d) y = Conv(x, w)", inputs="float[N, 4, 9] x", constants=constants)
    assert [line.split("(")[0] for line in lines(check_pass(FoldConstants(), model))] == ["y = Conv"]
