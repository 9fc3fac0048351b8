"""Models of half floats and doubles: measured in float32, written with the types they declare."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, numpy_helper

import edgeq
from edgeq.io.load import load_proto
from edgeq.report.inspection import inspect_model
from edgeq.rewrite.in_float32 import in_float32
from edgeq.schema.target import load_target

RNG = np.random.default_rng(3)
WEIGHTS = {"w": (8, 3, 3, 3), "b": (8,), "v": (5, 8)}
ARRAYS = {name: RNG.standard_normal(shape) * 0.3 for name, shape in WEIGHTS.items()}
X = RNG.standard_normal((12, 3, 8, 8)).astype(np.float32)
KINDS = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "double": np.float64}
BODY = "c = Conv<pads = [1, 1, 1, 1]>(x, w, b) r = Relu(c) g = GlobalAveragePool(r) f = Flatten(g) y = Gemm<transB = 1>(f, v)"


def net(kind: str, body: str = BODY, edge: str | None = None) -> onnx.ModelProto:
    edge = edge or kind
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> net ({edge}[N, 3, 8, 8] x) => ({edge}[N, 5] y) {{ {body} }}')
    model.graph.initializer.extend(numpy_helper.from_array(array.astype(KINDS[kind]), name) for name, array in ARRAYS.items())
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_float_target_keeps_the_declared_types(kind: str, tmp_path: Path) -> None:
    model = net(kind)
    made = edgeq.quantize(model, {"x": X})
    declared = model.graph.input[0].type.tensor_type.elem_type
    proto = ir.to_proto(made.model)
    onnx.checker.check_model(proto, full_check=True)
    assert [value.type.tensor_type.elem_type for value in (*proto.graph.input, *proto.graph.output)] == [declared] * 2
    assert any("keep their own types" in note for note in made.report.notes)
    onnx.save(proto, tmp_path / "q.onnx")
    assert edgeq.compare(model, tmp_path / "q.onnx", {"x": X}).weakest.sqnr_db > 30


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["npu_int8", "mcu_tflite"])
def test_a_target_of_integers_takes_codes(kind: str, target: str) -> None:
    made = edgeq.quantize(net(kind), {"x": X}, target=target)
    assert [value.dtype for value in (*made.model.graph.inputs, *made.model.graph.outputs)] == [ir.DataType.INT8] * 2
    assert "Cast" not in {node.op_type for node in made.model.graph}


def test_half_floats_within_a_float32_model_leave_no_cast() -> None:
    word = int(TensorProto.FLOAT16)
    body = BODY.replace("(x, w", "(h, w").replace("y = Gemm", "k = Gemm")
    body = f"h = Cast<to = {word}>(x) {body} y = Cast<to = 1>(k)"
    made = edgeq.quantize(net("float16", body, "float"), {"x": X}, target="npu_int8")
    assert "Cast" not in {node.op_type for node in made.model.graph}
    assert not any("no float32" in note for note in made.report.notes)


def test_inspect_shows_the_types_of_the_file_and_no_cast() -> None:
    found = inspect_model(load_proto(net("float16")), load_target("npu_int8"))
    assert [spec.dtype for spec in found.inputs] == ["float16"]
    assert "Cast" not in {node.op_type for node in found.nodes}


def test_a_float32_model_is_taken_as_it_is() -> None:
    loaded = load_proto(onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> n (float[2] x) => (float[2] y) { y = Relu(x) }'))
    assert in_float32(loaded) is loaded
