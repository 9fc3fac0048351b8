"""InferShapes: what follows from the inputs is written down; what the model declares stays."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import values
from edgeq.passes.prepare.infer_shapes import InferShapes


def shapes(text: str) -> tuple[bool, dict[str, str]]:
    model = ir.from_onnx_text(f'<ir_version: 8, opset_import: ["": 17]> {text}')
    modified = bool(InferShapes()(model).modified)
    assert not InferShapes()(model).modified
    return modified, {str(value.name): str(value.shape) for value in values(model)}


def test_shapes_follow_from_the_inputs() -> None:
    """Before: y = Conv(x, w) with a shape for x alone. After: the same with a shape for c."""
    text = "net (float[N, 2, 5, 5] x) => (float[N, 2, 4, 4] y) <float[2, 2, 2, 2] w> { c = Conv(x, w) y = Relu(c) }"
    modified, found = shapes(text.replace("w>", "w = {1,2,3,4,1,2,3,4,1,2,3,4,1,2,3,4}>"))
    assert (modified, found["c"]) == (True, "[N,2,4,4]")


def test_a_declared_interface_stays() -> None:
    modified, found = shapes("net (float[N, 3] x) => (float[M, 3] y) { r = Relu(x) y = Neg(r) }")
    assert (modified, found["r"], found["y"]) == (True, "[N,3]", "[M,3]")


def test_shapes_that_are_computed_are_followed() -> None:
    text = """net (float[N, 2, 4] x) => (float[N, 8] y) <int64 zero = {0}, int64[1] axis = {0}, int64[1] rest = {8}> {
      s = Shape(x) n = Gather(s, zero) u = Unsqueeze(n, axis) t = Concat<axis = 0>(u, rest) r = Reshape(x, t) y = Relu(r) }"""
    assert shapes(text)[1]["r"] == "[N,8]"


def test_where_inference_fails_what_is_known_stays() -> None:
    modified, found = shapes("net (float[2, 3] x, float[4, 5] z) => (float[2, 5] y) { m = MatMul(x, z) y = Relu(m) }")
    assert (modified, found["x"], found["m"]) == (False, "[2,3]", "None")
