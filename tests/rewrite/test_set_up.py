"""A float model and its int8 form are made to take the same data before they are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.graph.signature import input_specs
from edgeq.io.load import load_proto
from edgeq.io.save import save_model
from edgeq.rewrite.set_up import comparable
from tests.cli_room import run

TYPES = [ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE]


def layers(dtype: ir.DataType) -> ir.Model:
    """Two layers with a Relu in between, in a float type of any width."""
    head = '<ir_version: 8, opset_import: ["" : 17]> net (float[N, 8] x) => (float[N, 8] y)'
    weights = "{" + ", ".join(["0.5"] * 64) + "}"
    model = ir.from_onnx_text(
        f"{head} <float[8, 8] v = {weights}, float[8, 8] w = {weights}> {{ a = MatMul(x, v) b = Relu(a) y = MatMul(b, w) }}"
    )
    rng = np.random.default_rng(0)
    for value in model.graph.initializers.values():
        value.const_value = ir.tensor(rng.standard_normal((8, 8)).astype(dtype.numpy()), name=value.name)
    made = (value for node in model.graph for value in node.outputs)
    for value in (*model.graph.inputs, *model.graph.initializers.values(), *made):
        value.type = ir.TensorType(dtype)
    return model


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("target", ["cpu", "mcu_tflite"])
def test_a_model_of_other_floats_is_compared_with_its_int8_form(
    dtype: ir.DataType, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((24, 8)).astype(np.float32).astype(np.float16)
    np.savez(tmp_path / "d.npz", x=x)
    save_model(layers(dtype), tmp_path / "m.onnx")
    assert run(capsys, "quantize", tmp_path / "m.onnx", "-d", tmp_path / "d.npz", "-t", target, "-o", tmp_path / "q.onnx").code == 0
    ran = run(capsys, "compare", tmp_path / "m.onnx", tmp_path / "q.onnx", "-d", tmp_path / "d.npz", "--min-sqnr", "15")
    assert ran.code == 0, ran.err


def test_both_take_float32_and_the_given_int8_model_stays() -> None:
    first = load_proto(layers(ir.DataType.FLOAT16))
    data = {"x": np.random.default_rng(1).standard_normal((24, 8)).astype(np.float16)}
    second = load_proto(quantize(first, data, target="npu_int8").model, quantized=True)
    before = input_specs(second.model)
    for model in comparable(first, second):
        assert [spec.dtype for spec in input_specs(model)] == ["float32"]
    assert input_specs(second.model) == before
