"""DeclaredTypes: Casts at the edges that are float32 and declared otherwise, and nowhere else."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from edgeq.passes.boundary.declared_types import DeclaredTypes, declared_types, float32_edges
from tests.graph_text import lines

NET = """<ir_version: 10, opset_import: ["" : 17]>
    net (float[N, 2] x, float[N, 2] z, int8[N, 2] q) => (float[N, 2] y, float[N, 2] z, int8[N, 2] r) { y = Relu(x) r = Identity(q) }"""
HALF = {"x": ir.DataType.FLOAT16, "z": ir.DataType.DOUBLE, "y": ir.DataType.BFLOAT16, "q": ir.DataType.FLOAT16, "r": ir.DataType.FLOAT16}


def test_casts_stand_where_types_differ() -> None:
    model = ir.from_onnx_text(NET)
    assert DeclaredTypes(HALF)(model).modified
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert declared_types(model) == HALF | {"q": ir.DataType.INT8, "r": ir.DataType.INT8}
    assert lines(model) == ["x_float32 = Cast(x)", "y_float32 = Relu(x_float32)", "r = Identity(q)", "y = Cast(y_float32)"]
    assert not DeclaredTypes(HALF)(model).modified


def test_a_model_of_float32_stays() -> None:
    model = ir.from_onnx_text(NET)
    assert not DeclaredTypes(declared_types(model))(model).modified


def test_the_casts_can_be_taken_back() -> None:
    model = ir.from_onnx_text(NET)
    own = declared_types(model)
    DeclaredTypes(HALF)(model)
    float32_edges(model, own)
    assert declared_types(model) == own
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
