"""FuseHardSwish: all decomposed forms, none of the look-alikes, and only where the operator
exists.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.io.load import load_proto
from edgeq.passes.prepare.fuse_hardswish import FuseHardSwish
from edgeq.rewrite.prepare import prepare
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines


def test_fuses_every_form() -> None:
    model = named_model("hardswish_forms")
    assert FuseHardSwish()(model).modified
    assert lines(model) == ["y = HardSwish(x)", "z = HardSwish(x)", "u = HardSwish(x)"]


def test_leaves_look_alikes() -> None:
    assert not FuseHardSwish()(named_model("hardswish_look_alikes")).modified


def test_an_old_model_is_raised_to_14_for_it() -> None:
    text = """<ir_version: 6, opset_import: ["" : 9]> net (float[N, 2] x) => (float[N, 2] y) <float three = {3.0}, float six = {6.0}> {
        p = Add(x, three)  q = Clip<min = 0.0, max = 6.0>(p)  r = Div(q, six)  y = Mul(x, r) }"""
    done = prepare(load_proto(ir.from_onnx_text(text)).model).model
    assert done.opset_imports[""] == 14
    assert lines(done) == ["y = HardSwish(x)"]


def test_waits_for_opset_14() -> None:
    model = named_model("hardswish_forms")
    model.graph.opset_imports[""] = 13
    assert not FuseHardSwish()(model).modified
    assert "HardSwish" not in {node.op_type for node in nodes(model)}
