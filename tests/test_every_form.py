"""Values of every form go through quantize, save, compare and inspect: not only float tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.api import compare, prove, quantize
from edgeq.io.load import load_model, load_proto
from edgeq.numerics.arrays import AnyArray
from edgeq.report.inspection import inspect_model
from edgeq.schema.target import load_target
from tests.small_models import Weights, text_model

RNG = np.random.default_rng(0)
LAYERS = "a = MatMul(x, w) r = Relu(a) c = MatMul(r, v)"
WEIGHTS: Weights = {name: (RNG.normal(size=(64, 64)) / 8).astype(np.float32) for name in "wv"}
X = RNG.normal(size=(12, 4, 64)).astype(np.float32)
NIBBLES = np.clip(np.rint(3 * X), -8, 7).astype(np.int8)
TEXT = np.array([["a", "bc"]] * 12)

F, C, Y = "float[4, 64] x", "float[4, 64] c", "float[4, 64] y"
Case = tuple[str, str, str, dict[str, AnyArray], Weights]
#: (inputs, nodes, outputs, data, constants)
CASES: dict[str, Case] = {
    "a sequence comes out": (
        F, f"{LAYERS} y = SplitToSequence<axis = 0>(c, k)", "seq(float[k, 64]) y", {"x": X}, {"k": np.array(2)},
    ),
    "a ragged sequence comes out": (
        F, f"{LAYERS} y = SplitToSequence<axis = 0>(c, k)", "seq(float[k, 64]) y", {"x": X}, {"k": np.array([1, 3])},
    ),
    "a sequence goes in": (
        "seq(float[2, 64]) s", f"x = ConcatFromSequence<axis = 0>(s) {LAYERS}", "float[n, 64] c", {"s": X.reshape(12, 2, 2, 64)}, {},
    ),
    "a sequence is inside": (
        F, f"{LAYERS} s = SequenceConstruct(c, x) y = SequenceAt(s, k)", Y, {"x": X}, {"k": np.array(0)},
    ),
    "an optional value goes in": ("optional(float[4, 64]) o", f"x = OptionalGetElement(o) {LAYERS}", C, {"o": X}, {}),
    "an optional value comes out": (F, f"{LAYERS} y = Optional(c)", "optional(float[4, 64]) y", {"x": X}, {}),
    "text goes through": (
        f"{F}, string[2] t", f"{LAYERS} u = Identity(t)", f"{C}, string[2] u", {"x": X, "t": TEXT}, {},
    ),
    "bfloat16 at both ends": (
        "bfloat16[4, 64] h", f"x = Cast<to = 1>(h) {LAYERS} y = Cast<to = 16>(c)", "bfloat16[4, 64] y", {"h": X}, {},
    ),
    "4 bits go in": ("int4[4, 64] h", f"x = Cast<to = 1>(h) {LAYERS}", C, {"h": NIBBLES}, {}),
    "float8 comes out": (F, f"{LAYERS} y = Cast<to = 17>(c)", "float8e4m3fn[4, 64] y", {"x": X}, {}),
    "an empty past": (
        "float[1, 4, 64] x, float[1, p, 64] past", f"{LAYERS} y = Concat<axis = 1>(past, c)", "float[1, n, 64] y",
        {"x": X[:, None], "past": np.zeros((12, 1, 0, 64), np.float32)}, {},
    ),
    "axes that are empty": (
        "float[4, 64] x, int64[k] axes", f"{LAYERS} y = ReduceSum<noop_with_empty_axes = 1>(c, axes)", "float[a, b] y",
        {"x": X, "axes": np.zeros((12, 0), np.int64)}, {},
    ),
    "no inputs but a random one": ("", f"x = RandomUniform<shape = [4, 64], seed = 3.0>() {LAYERS}", C, {}, {}),
    "outputs that are an input and a weight": (F, LAYERS, "float[4, 64] c, float[4, 64] x, float[64, 64] w", {"x": X}, {}),
    "a shape comes out": ("float[N, 64] x", f"{LAYERS} y = Shape(c)", "float[N, 64] c, int64[2] y", {"x": X[:, 0]}, {}),
    "an output twice": (F, LAYERS, "float[4, 64] c, float[4, 64] c", {"x": X}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_of_every_form(name: str, tmp_path: Path) -> None:
    inputs, nodes, outputs, data, constants = CASES[name]
    opset, version = (21, 10) if "int4[" in inputs or "float8" in outputs else (17, 8)
    head = f'<ir_version: {version}, opset_import: ["": {opset}]>'
    model = text_model(f"{head} net ({inputs}) => ({outputs}) {{ {nodes} }}", WEIGHTS | constants)
    made = quantize(model, data, prove=False)
    assert "int8" in {node.runs for node in made.plan.nodes.values()}
    made.save(tmp_path / "q.onnx")
    found = compare(model, tmp_path / "q.onnx", data)
    assert found.samples == (len(next(iter(data.values()))) if data else 1)
    layers = [output for output in found.outputs if output.name in ("c", "y") and "int64" not in outputs]
    assert all(output.sqnr_db > 20 for output in found.outputs if output.name != "u"), found.outputs  # u is text
    assert all(output.sqnr_db < 80 for output in layers[:1]), found.outputs  # compared, not skipped
    assert prove(tmp_path / "q.onnx").nodes
    for loaded in (load_proto(model), load_model(tmp_path / "q.onnx", quantized=True)):
        assert inspect_model(loaded, load_target("cpu")).macs


def test_a_constant_model_is_written_and_read(tmp_path: Path) -> None:
    """All of it folds away: what is left has no nodes."""
    text = '<ir_version: 8, opset_import: ["": 17]> net () => (float[64, 64] c) { r = Relu(w) c = MatMul(r, v) }'
    made = quantize(text_model(text, WEIGHTS))
    made.save(tmp_path / "q.onnx")
    (output,) = compare(text_model(text, WEIGHTS), tmp_path / "q.onnx", {}).outputs
    assert output.sqnr_db > 80


def test_labels_are_text_of_an_initializer() -> None:
    text = """<ir_version: 8, opset_import: ["": 17]> net (float[N, 64] x) => (string[N] y)
      { a = MatMul(x, w) i = ArgMax<axis = 1, keepdims = 0>(a) y = Gather(names, i) }"""
    names = np.array([f"class {i}" for i in range(64)], object)
    model = text_model(text, {"w": WEIGHTS["w"], "names": names})
    assert quantize(model, {"x": X[:, 0]}).plan.nodes
    assert inspect_model(load_proto(model), load_target("cpu")).weight_bytes_float == 64 * 64 * 4 + sum(map(len, names))
