"""convert: models of other tools become .tflite files that run code for code, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import edgeq
from edgeq.errors import BadData, BadModel, BadOutput, UnsupportedOp
from edgeq.foreign.converted import Converted
from edgeq.integers.tflite.read import file_operators
from tests.foreign.peers import float_net, quantized_by_onnxruntime, samples
from tests.graph_text import net, weights

Form = Literal["QDQ", "QOperator"]
Activations = Literal["QUInt8", "QInt8"]
DATA = {"x": samples(6)}


def holds(made: Converted) -> None:
    """What every conversion is held to: integers throughout, equal to the source by operator."""
    assert made.proof is not None
    assert all(operator.integer for operator in file_operators(made.tflite, ""))
    assert made.proof.steps.largest <= 1
    assert made.proof.steps.exact > 0.9  # fixed point rounds otherwise near halves
    assert made.proof.apart == 0
    if not made.proof.missing:
        assert set(made.proof.ran) == {"litert", "tflm"}


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("activations", ["QUInt8", "QInt8"])
@pytest.mark.parametrize("per_channel", [False, True], ids=["tensor", "channel"])
def test_a_model_of_onnxruntime_runs_alike_everywhere(tmp_path: Path, form: Form, activations: Activations, per_channel: bool) -> None:
    path = quantized_by_onnxruntime(tmp_path, form, activations, per_channel=per_channel)
    made = edgeq.convert(path, DATA)
    holds(made)
    assert made.proof is not None
    (output,) = made.proof.outputs
    assert output.agreement is not None and output.agreement >= 0.97
    assert {change.kind for change in made.changes} <= {"requantized", "operator_replaced"}
    assert output.changed_lsb <= 1


def test_data_is_made_up_where_there_is_none(tmp_path: Path) -> None:
    made = edgeq.convert(quantized_by_onnxruntime(tmp_path, "QDQ", "QInt8", per_channel=True))
    holds(made)
    assert made.proof is not None and made.proof.made_up


def test_the_code_that_symmetric_weights_do_not_have_is_refused_and_rounded_on_request(tmp_path: Path) -> None:
    path = quantized_by_onnxruntime(tmp_path, "QDQ", "QUInt8", per_channel=False, unsigned_weights=True)
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(path, DATA)
    assert "node conv (Conv, weight_narrow)" in refused.value.where
    made = edgeq.convert(path, DATA, requantize=True)
    holds(made)
    kinds = {(change.node, change.kind, change.steps > 0) for change in made.changes}
    assert {("conv", "weight_rounded", True), ("depth", "weight_shifted", False)} <= kinds


def test_asymmetric_weights_are_refused_by_node_and_rule_and_rounded_on_request(tmp_path: Path) -> None:
    shifted = float_net()
    for tensor in shifted.graph.initializer:
        if tensor.name == "w3":  # most weights are positive, so that the zero point lies far from 0
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + np.float32(1), "w3"))
    path = quantized_by_onnxruntime(tmp_path, "QDQ", "QInt8", per_channel=False, symmetric=False, model=shifted)
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(path, DATA)
    assert "node point (Conv, weight_zero_point)" in refused.value.where
    assert "`requantize=True`" in refused.value.fix
    made = edgeq.convert(path, DATA, requantize=True)
    holds(made)
    rounded = {change.node: change.steps for change in made.changes if change.kind == "weight_rounded"}
    assert 0 < rounded["point"] < 1


def test_a_layer_kept_float_is_refused_by_node_and_quantized_on_request(tmp_path: Path) -> None:
    path = quantized_by_onnxruntime(tmp_path, "QDQ", "QInt8", per_channel=True, exclude=("point",))
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(path, DATA)
    assert "node point (Conv, weight_float)" in refused.value.where
    made = edgeq.convert(path, DATA, requantize=True)
    holds(made)
    assert "weight_rounded" in {change.kind for change in made.changes if change.node == "point"}


def test_a_model_without_codes_is_told_to_be_quantized() -> None:
    with pytest.raises(BadModel) as refused:
        edgeq.convert(float_net())
    assert "edgeq quantize" in refused.value.fix


# what NNCF, Quark and training tools write, and onnxruntime does not

GRIDS = {"s": np.float32(0.05), "z": np.uint8(120), "t": np.float32(0.03), "u": np.int8(-9)}
X = "float[N, 4] x"
ROWS = {"x": np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)}
LAYER = {
    "w": np.arange(-12, 12, dtype=np.int8).reshape(4, 6),
    "ws": np.linspace(0.01, 0.03, 6, dtype=np.float32),
    "wz": np.zeros(6, np.int8),
}
START = "xq = QuantizeLinear(x, s, z)  f = DequantizeLinear(xq, s, z)  g = DequantizeLinear<axis = 1>(w, ws, wz) "
END = "yq = QuantizeLinear(o, t, u)  y = DequantizeLinear(yq, t, u)"
BIAS = np.linspace(-0.4, 0.4, 6, dtype=np.float32)


def written(body: str, inputs: str = X, **constants: np.ndarray | np.generic) -> ir.Model:
    known = {**GRIDS, **constants}
    words = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    return net(body, inputs=inputs, constants={name: array for name, array in known.items() if name in words})


@pytest.mark.parametrize(
    "middle",
    ["[fc] o = Gemm(f, g, b)", "[mm] m = MatMul(f, g)  [add] o = Add(m, b)", "[fc] c = Gemm(f, g, b)  [act] o = Relu(c)",
     "[fc] c = Gemm(f, g, b)  k = QuantizeLinear(c, s, z)  h = DequantizeLinear(k, s, z)  [act] o = Relu(h)"],
    ids=["bias", "matmul", "relu before codes", "relu between codes"],
)  # fmt: skip
def test_float_biases_and_activations_between_codes_have_exact_forms(middle: str) -> None:
    made = edgeq.convert(written(START + middle + "  " + END, **LAYER, b=BIAS), ROWS)
    holds(made)
    assert [change.kind for change in made.changes] == ["bias_coded"]
    assert made.changes[0].steps < 0.02  # steps of the accumulator are 20 to 60 times smaller


def test_an_int32_bias_on_another_grid_is_refused_and_rounded_on_request() -> None:
    model = written(f"{START} bf = DequantizeLinear(b, bs)  [fc] o = Gemm(f, g, bf)  {END}", **LAYER,
                    b=np.arange(6, dtype=np.int32), bs=np.float32(0.013))  # fmt: skip
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(model, ROWS)
    assert "node fc (Gemm, bias_scale)" in refused.value.where
    made = edgeq.convert(model, ROWS, requantize=True)
    holds(made)
    assert [change.kind for change in made.changes] == ["bias_rounded"]


def test_scales_along_the_wrong_axis_are_refused_and_rounded_on_request() -> None:
    rows = {**LAYER, "ws": np.linspace(0.01, 0.03, 4, dtype=np.float32), "wz": np.zeros(4, np.int8)}
    model = written(f"{START} [mm] o = MatMul(f, g)  {END}".replace("axis = 1", "axis = 0"), **rows)
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(model, ROWS)
    assert "node mm (MatMul, weight_axis)" in refused.value.where
    holds(edgeq.convert(model, ROWS, requantize=True))


@pytest.mark.parametrize(
    "middle",
    ["r = Relu(f)  v = QuantizeLinear(r, t, u)  h = DequantizeLinear(v, t, u)  [cat] o = Concat<axis = 1>(f, h)",
     "[pool] o = MaxPool<kernel_shape = [2, 2]>(f)", "[tr] o = Transpose<perm = [0, 2, 3, 1]>(f)"],
    ids=["concat", "pool", "transpose"],
)  # fmt: skip
def test_unequal_grids_around_copies_are_requantized_at_the_same_codes(middle: str) -> None:
    body = f"xq = QuantizeLinear(x, s, z)  f = DequantizeLinear(xq, s, z)  {middle}  {END}"
    feeds = {"x": np.random.default_rng(3).normal(size=(4, 4, 6, 6)).astype(np.float32)}
    made = edgeq.convert(written(body, inputs="float[N, 4, 6, 6] x"), feeds)
    holds(made)
    assert made.proof is not None and made.proof.outputs[0].changed_lsb == 0


def test_outputs_without_a_grid_are_refused_and_measured_on_request() -> None:
    model = written(f"{START} [mm] m = MatMul(f, g)  [add] o = Add(m, b)  [soft] y = Softmax(o)", **LAYER, b=BIAS)
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(model, ROWS)
    assert "node soft (Softmax, float_output)" in refused.value.where
    assert "`data`" in refused.value.fix
    with pytest.raises(BadData) as no_data:
        edgeq.convert(model, requantize=True)
    assert "`data`" in no_data.value.fix
    made = edgeq.convert(model, ROWS, requantize=True)
    holds(made)
    assert {"grid_measured", "requantized", "bias_coded"} == {change.kind for change in made.changes}


def test_weights_that_are_quantized_and_transposed_at_run_time_are_stored_as_codes() -> None:
    body = f"""xq = QuantizeLinear(x, s, z)  f = DequantizeLinear(xq, s, z)
        k = QuantizeLinear<axis = 0>(w, ws, wz)  g = DequantizeLinear<axis = 0>(k, ws, wz)  h = Transpose(g)
        [mm] o = MatMul(f, h)  {END}"""
    made = edgeq.convert(written(body, w=weights(6, 4), ws=LAYER["ws"], wz=LAYER["wz"]), ROWS)
    holds(made)
    assert made.changes == ()


def test_a_value_on_two_grids_is_refused_and_joined_on_request() -> None:
    body = f"""{START} [fc] c = Gemm(f, g, b)  k = QuantizeLinear(c, s, z)  h = DequantizeLinear(k, s, z)
        v = QuantizeLinear(c, t, u)  i = DequantizeLinear(v, t, u)  [add] o = Add(h, i)  {END}"""
    model = written(body, **LAYER, b=BIAS)
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(model, ROWS)
    assert "node fc (Gemm, several_grids)" in refused.value.where
    holds(edgeq.convert(model, ROWS, requantize=True))


def test_an_input_on_two_grids_stays_float_or_is_joined_on_request() -> None:
    body = f"""xq = QuantizeLinear(x, s, z)  f = DequantizeLinear(xq, s, z)
        v = QuantizeLinear(x, t, u)  h = DequantizeLinear(v, t, u)  [cat] o = Concat<axis = 1>(f, h)  {END}"""
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(written(body), ROWS)
    assert "several_grids" in refused.value.where
    holds(edgeq.convert(written(body), ROWS, requantize=True))
    made = edgeq.convert(written(body), ROWS, float_io=True)
    assert made.proof is not None and made.proof.outputs[0].changed_lsb == 0


def test_inputs_of_codes_stay_codes() -> None:
    body = "f = DequantizeLinear(x, s, z)  g = DequantizeLinear<axis = 1>(w, ws, wz)  [mm] o = MatMul(f, g)  yq = QuantizeLinear(o, t, u) "
    model = net(body, inputs="uint8[N, 4] x", outputs="int8 yq", constants={**GRIDS, **LAYER})
    holds(edgeq.convert(model))
    codes = np.random.default_rng(1).integers(0, 256, (5, 4), np.uint8)
    holds(edgeq.convert(model, {"x": codes}))


def test_float_ends_are_kept_on_request() -> None:
    made = edgeq.convert(written(f"{START} [mm] o = MatMul(f, g)  {END}", **LAYER), ROWS, float_io=True)
    names = [operator.op_type for operator in file_operators(made.tflite, "")]
    assert (names[0], names[-1]) == ("QUANTIZE", "DEQUANTIZE")
    assert made.proof is not None and made.proof.steps.largest <= 1


def test_an_operator_without_integers_is_refused_by_name() -> None:
    body = f"""xq = QuantizeLinear(x, s, z)  f = DequantizeLinear(xq, s, z)  [acos] o = Acos(f)  {END}"""
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(written(body), ROWS)
    assert "node acos (Acos, no_kernel)" in refused.value.where
    assert "requantize" not in refused.value.fix


def test_files_are_named_by_their_ending(tmp_path: Path) -> None:
    made = edgeq.convert(written(f"{START} [mm] o = MatMul(f, g)  {END}", **LAYER), prove=False)
    for name in ("a.tflite", "b.c", "c.ort"):
        made.save(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tflite", "b.c", "b.h", "c.ort", "c.ort.config"]
    assert (tmp_path / "a.tflite").read_bytes() == made.tflite
    with pytest.raises(BadOutput):
        made.save(tmp_path / "a.tflite")
    with pytest.raises(BadOutput, match="ending"):
        made.save(tmp_path / "a.onnx")


@pytest.mark.parametrize("inputs_as", [None, "uint8"], ids=["codes", "pixels"])
def test_a_model_of_edgeq_itself_becomes_the_file_that_quantize_writes(inputs_as: Literal["uint8"] | None) -> None:
    from edgeq.data.shipped import shipped_model
    from edgeq.integers.emit import emit_tflite

    recipe = edgeq.Recipe(rule="minmax", effort="fast", samples=16, **({} if inputs_as is None else {"inputs_as": inputs_as}))
    own = edgeq.quantize(shipped_model("digits"), "digits", target="mcu_tflite", recipe=recipe, prove=False)
    made = edgeq.convert(own.model, "digits", samples=4)
    holds(made)
    assert made.changes == ()
    assert made.tflite == emit_tflite(own.model)


@pytest.mark.parametrize("requantize", [False, True])
def test_grids_that_are_computed_at_run_time_are_refused_by_name(tmp_path: Path, requantize: bool) -> None:
    from onnxruntime.quantization import quantize_dynamic  # type: ignore[import-untyped]

    onnx.save(float_net(), tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "dynamic.onnx")
    with pytest.raises(UnsupportedOp) as refused:
        edgeq.convert(tmp_path / "dynamic.onnx", DATA, requantize=requantize)
    assert "(DynamicQuantizeLinear, no_kernel)" in refused.value.where
    assert "requantize" not in refused.value.fix


@pytest.mark.parametrize("count", [1, 3])
def test_doubts_about_data_that_grids_are_measured_on_end_the_run_unless_accepted(count: int) -> None:
    """One sample, or copies of one: the ranges fit no other."""
    model = written(f"{START} [mm] m = MatMul(f, g)  [add] o = Add(m, b)  [soft] y = Softmax(o)", **LAYER, b=BIAS)
    alike = {"x": np.repeat(ROWS["x"][:1], count, axis=0)}
    with pytest.raises(BadData, match="ranges from it fit no other"):
        edgeq.convert(model, alike, requantize=True)
    assert edgeq.convert(model, alike, requantize=True, data_doubts="accept").changes
    with pytest.raises(BadData, match="Only 6 samples"):
        edgeq.convert(model, ROWS, requantize=True, data_doubts="strict")


def test_data_that_only_proves_raises_no_doubts() -> None:
    model = written(f"{START} [mm] m = MatMul(f, g)  [add] o = Add(m, b)  {END}", **LAYER, b=BIAS)
    assert edgeq.convert(model, {"x": ROWS["x"][:1]}, requantize=True).proof is not None
