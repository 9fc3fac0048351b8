"""The TFLite emitter, operator by operator: what LiteRT and TFLite Micro compute is what the
integer interpreter does.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from edgeq.errors import BadModel, UnsupportedOp
from edgeq.integers.emit import emit_tflite
from edgeq.integers.run import Interpreter
from edgeq.integers.tflite.layout import keeps_order, order, tflite_axis, tflite_shape
from edgeq.integers.tflite.read import file_operators
from edgeq.io.load import load_proto
from edgeq.numerics.arrays import F32
from edgeq.schema.target import load_target
from edgeq.testing.case import Case
from edgeq.testing.operator_cases import ALL, BEYOND_CPU
from edgeq.testing.operator_nets import data_for
from tests.small_models import conv_net
from tests.target_cases import quantized

MCU = load_target("mcu_tflite")
#: what TFLite's int8 operators, or the way edgeq uses them, cannot express: each is refused by name
REFUSED = {
    "average_pool_ceil_pad", "gemm_of_activations", "matmul_vector", "max_pool_dilated", "pad_negative", "pad_edge",
    "pad_wrap_19", "slice_steps", "average_pool_3d", "conv_3d", "conv_depthwise_3d", "global_average_pool_3d", "max_pool_3d",
    "where_constant_condition", "where_constant", "where_constant_first", "where_zero", "where",
    "gather_nd", "gather_elements", "reverse_sequence", "compress", "top_k", "arg_max", "arg_min_last",
}  # fmt: skip
#: the largest among their neighbours, and nothing else, of a heat map
PEAKS = Case("peaks", "p = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a) m = Equal(p, a) f = Cast<to = 1>(m) [op] b = Mul(a, f)")
WORKING = [*(case for case in ALL if case.name not in REFUSED), *BEYOND_CPU, PEAKS]
#: fixed point against float requantization, layer by layer: at most this many codes at the end
FAR = 4


def codes_of(x: F32, scale: float, zero: int) -> NDArray[np.int8]:
    codes = np.clip(np.rint(x / np.float32(scale)) + zero, -128, 127).astype(np.int8)
    return codes.transpose(0, 2, 3, 1) if codes.ndim == 4 else codes


@pytest.mark.parametrize("case", WORKING, ids=str)
def test_runs_in_both_runtimes_as_in_the_interpreter(case: Case) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")
    pytest.importorskip("tflite_micro", reason="needs the extra [backends]")
    from edgeq.runtimes.tflite.litert import LiteRt
    from edgeq.runtimes.tflite.tflm import TfLiteMicro

    made = quantized(case, MCU)
    model = emit_tflite(made.model)
    assert all(op.integer for op in file_operators(model, ""))
    x = data_for(case)["x"][:2]
    wanted = next(iter(Interpreter(made.model).run({"x": x}).outputs.values()))
    ideal = next(iter(Interpreter(made.model, "float").run({"x": x}).outputs.values()))
    assert np.abs(wanted.astype(int) - ideal.astype(int)).max() <= FAR
    for runs in (LiteRt(model, "reference"), TfLiteMicro(model)):  # of several outputs, the first
        port = runs.inputs[0]
        codes, batch = codes_of(x, port.scale, port.zero_point), port.shape[0]
        found = np.concatenate([runs.run([codes[start : start + batch]])[0] for start in range(0, len(codes), batch)])
        found = found.transpose(0, 3, 1, 2) if found.ndim == 4 else found
        assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1


@pytest.mark.parametrize("case", [case for case in ALL if case.name in REFUSED], ids=str)
def test_refuses_by_name_what_tflite_cannot_express(case: Case) -> None:
    with pytest.raises(UnsupportedOp) as refused:
        emit_tflite(quantized(case, MCU).model)
    assert "node" in refused.value.where or "(" in refused.value.where


def test_windows_of_three_axes_are_refused_before_anything_is_measured() -> None:
    case = next(case for case in ALL if case.name == "conv_3d")
    with pytest.raises(UnsupportedOp) as refused:
        quantized(case, MCU)
    assert "windows of 2 spatial axes, and this one has 3" in str(refused.value)


def test_the_same_model_gives_the_same_bytes() -> None:
    case = next(case for case in ALL if case.name == "conv_bias")
    model = quantized(case, MCU).model
    assert emit_tflite(model) == emit_tflite(model.clone())


def test_a_float_model_is_refused() -> None:
    model = load_proto(conv_net()).model
    with pytest.raises(UnsupportedOp, match="not quantized"):
        emit_tflite(model)


def test_an_unknown_size_is_refused_with_the_option_that_mends_it() -> None:
    proto = conv_net()
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"
    with pytest.raises(BadModel) as refused:
        emit_tflite(load_proto(proto).model)
    assert 'shapes={"x":' in refused.value.fix


def test_uint8_codes_become_int8_exactly() -> None:
    """Codes of dsp_int8, 128 lower: LiteRT computes the same numbers as the interpreter does of
    uint8.
    """
    pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")
    from edgeq.runtimes.tflite.litert import LiteRt

    case = next(case for case in ALL if case.name == "conv_bias")
    made = quantized(case, load_target("dsp_int8"))
    runs = LiteRt(emit_tflite(made.model), "reference")
    x = data_for(case)["x"][:2]
    wanted = next(iter(Interpreter(made.model).run({"x": x}).outputs.values()))
    port = runs.inputs[0]
    codes, batch = codes_of(x, port.scale, port.zero_point), port.shape[0]
    found = np.concatenate([runs.run([codes[start : start + batch]])[0] for start in range(0, len(codes), batch)])
    found = found.transpose(0, 3, 1, 2) if found.ndim == 4 else found
    assert wanted.dtype == np.uint8
    assert np.abs(found.astype(int) + 128 - wanted.astype(int)).max() <= 1


def test_layouts() -> None:
    assert tflite_shape((2, 3, 4, 5)) == (2, 4, 5, 3)
    assert [tflite_axis(axis, 4) for axis in range(4)] == [0, 3, 1, 2]
    assert order(3) == (0, 1, 2)
    assert keeps_order((1, 4, 4, 1), (0, 3, 1, 2))
    assert not keeps_order((1, 4, 4, 2), (0, 3, 1, 2))


@pytest.mark.parametrize("kind", ["int8", "int64", "bool"])
def test_an_input_of_other_numbers_is_refused_by_name(kind: str) -> None:
    """The model is as its user wants it; it is TFLite's form that cannot hold it."""
    model = load_proto(
        ir.from_onnx_text(f"""<ir_version: 8, opset_import: ["" : 17]> net (float[2, 3] x, {kind}[2, 3] n)
        => (float[2, 3] y) {{ f = Cast<to = 1>(n)  y = Add(x, f) }}""")
    ).model
    with pytest.raises(UnsupportedOp, match="inputs of float32 or of codes") as caught:
        emit_tflite(model)
    assert caught.value.where == "input n"


@pytest.mark.parametrize("output", ["float[3] k", "int64[2] j"])
def test_an_output_that_is_a_constant_is_refused_by_name(output: str) -> None:
    text = f"""<ir_version: 8, opset_import: ["" : 17]> net (float[2, 3] x) => (float[2, 3] x, {output})
        <float[3] k = {{1.0, 2.0, 3.0}}, int64[2] j = {{1, 2}}> {{ y = Neg(k) }}"""
    with pytest.raises(UnsupportedOp, match="every output is computed of an input") as caught:
        emit_tflite(load_proto(ir.from_onnx_text(text)).model)
    assert caught.value.where == f"output {output[-1]}"
