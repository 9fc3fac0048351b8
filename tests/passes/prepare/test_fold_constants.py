"""FoldConstants: computed weights become initializers, and a constant If gives its branch the place
and the names.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.edit import vanished
from edgeq.graph.read import nodes
from edgeq.io.load import load_proto
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines


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
