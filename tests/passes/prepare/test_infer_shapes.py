"""InferShapes: what follows from the inputs is written down; what the model declares stays."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import values
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.runtimes.ort import open_session


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


def test_declared_names_give_way_to_sizes_that_follow_from_the_inputs() -> None:
    """A global pool leaves one position, whatever the exporter calls it; the batch is unknown."""
    _, found = shapes("net (float[N, 3, 8, 8] x) => (float[n, ch, h, w] y) { y = GlobalAveragePool(x) }")
    assert found["y"] == "[n,3,1,1]"
    _, found = shapes("net (float[N, C, L] x) => (float[a, b, c] y) { y = GlobalMaxPool(x) }")
    assert found["y"] == "[a,b,1]"


def test_sizes_that_are_declared_are_not_replaced() -> None:
    _, found = shapes("net (float[N, M] x) => (float[4, M] y) { y = Relu(x) }")
    assert found["y"] == "[4,M]"


def forms(text: str, opset: int = 17) -> dict[str, str]:
    model = ir.from_onnx_text(f'<ir_version: 8, opset_import: ["": {opset}]> {text}')
    InferShapes()(model)
    return {str(value.name): f"{value.type} {value.shape}" for value in values(model)}


def test_a_sequence_stays_a_sequence() -> None:
    text = "net (float[2, 3] x) => (float[2, 3] y) <int64 k = {0}> { s = SequenceConstruct(x, x) e = SequenceAt(s, k) y = Relu(e) }"
    found = forms(text)
    assert found["s"] == "Sequence(Tensor(FLOAT)) [2,3]"
    assert found["e"] == "FLOAT [2,3]"


def test_an_optional_value_stays_one_and_what_it_holds_is_known() -> None:
    found = forms("net (optional(float[2, 3]) x) => (float[2, 3] y) { e = OptionalGetElement(x) o = Optional(e) y = Relu(e) }")
    assert found["o"].startswith("Optional(Tensor(FLOAT))")
    assert found["e"] == "FLOAT [2,3]"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("s = SequenceConstruct(r, r)  y = SequenceAt(s, k)", ir.SequenceType),
        ("s = SplitToSequence<axis = 0>(r, k2)  y = ConcatFromSequence<axis = 0>(s)", ir.SequenceType),
        ("s = Optional(r)  y = OptionalGetElement(s)", ir.OptionalType),
    ],
)
def test_values_that_are_no_tensors_do_not_become_tensors(body: str, kind: type) -> None:
    text = f"net (float[2, 3] x) => (float[2, 3] y) <int64 k = {{0}}, int64 k2 = {{1}}> {{ r = Relu(x) {body} }}"
    model = ir.from_onnx_text(f'<ir_version: 8, opset_import: ["": 17]> {text}')
    InferShapes()(model)
    found = {value.name: value for value in values(model)}
    assert isinstance(found["s"].type, kind)
    assert str(found["r"].shape) == "[2,3]"
    with open_session(model) as session:
        assert session.run({"x": np.ones((2, 3), np.float32)})[0].shape == (2, 3)


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool", "LpPool"])
def test_sizes_that_onnx_counts_one_too_many_of_stay_unknown(pool: str) -> None:
    """The fourth window of the first axis would start in the padding; runtimes make three."""
    attributes = "kernel_shape = [2, 3], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1"
    found = forms(f"net (float[N, 3, 5, 8] x) => (float[a, b, c, d] y) {{ p = {pool}<{attributes}>(x) y = Relu(p) }}", 19)
    assert found["p"] == "FLOAT [N,3,None,None]"
    assert found["y"] == "FLOAT [a,3,c,d]"


def test_sizes_of_pools_one_after_the_other_stay_unknown() -> None:
    pool = "MaxPool<kernel_shape = [1, 1], strides = [2, 2], ceil_mode = 1>"
    found = forms(f"net (float[N, 3, 6, 6] x) => (float[N, 3, h, w] y) {{ p = {pool}(x) r = Relu(p) q = {pool}(r) y = Relu(q) }}", 17)
    assert (found["p"], found["q"], found["y"]) == ("FLOAT [N,3,None,None]", "FLOAT [N,3,None,None]", "FLOAT [N,3,h,w]")
    assert found["r"] == "FLOAT [N,3,unk__0,unk__1]"  # names, no sizes


@pytest.mark.parametrize(("opset", "kernel"), [(17, 3), (22, 2)])
def test_sizes_that_onnx_counts_rightly_are_known(opset: int, kernel: int) -> None:
    attributes = f"kernel_shape = [{kernel}], strides = [2], pads = [1, 1], ceil_mode = 1"
    found = forms(f"net (float[N, 3, 5] x) => (float[N, 3, n] y) {{ y = MaxPool<{attributes}>(x) }}", opset)
    assert found["y"] == "FLOAT [N,3,3]"
