"""ComputeInFloat32: half floats become float32 inside, and stay at the edges."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import values
from edgeq.passes.prepare.compute_in_float32 import ComputeInFloat32
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines


def test_only_the_edges_keep_their_type() -> None:
    model = named_model("half_floats")
    assert ComputeInFloat32()(model).modified
    assert {value.name for value in values(model) if value.dtype == ir.DataType.FLOAT16} == {"x", "y", "z"}
    assert lines(model)[0] == "x_float32 = Cast(x)"
    assert lines(model)[-2:] == ["y = Cast(y_float32)", "z = Cast(z_float32)"]


def test_double_changes_only_with_double_weights() -> None:
    assert ComputeInFloat32()(named_model("double_weights")).modified
    text = """<ir_version: 8, opset_import: ["" : 17]> net (float[N, 2] x) => (double[N, 2] y) { y = Cast<to = 11>(x) }"""
    assert not ComputeInFloat32()(ir.from_onnx_text(text)).modified
