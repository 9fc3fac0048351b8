"""Targets of integers only: no float in the graph, fixed grids, one grid where codes are copied,
refusals, and a chip from a file alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import Quantized, compare, quantize
from edgeq.errors import BadRecipe, BadTarget, UnsupportedOp
from edgeq.integers.emit import emit_tflite
from edgeq.integers.golden import golden_vectors
from edgeq.integers.legality.check import check_model
from edgeq.integers.run import Interpreter
from edgeq.io.load import load_model, load_proto
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.testing import check_quantized
from tests.small_models import conv_net, text_model

#: two branches with different ranges that others read too, joined; SE-like gate; Softmax
NET = """<ir_version: 8, opset_import: ["": 14]>
net (float[N, 3, 8, 8] x) => (float[N, 4] y) {
  [a] a = Conv<pads = [1, 1, 1, 1]>(x, w)
  [ra] p = Relu(a)
  [b] b = Conv<pads = [1, 1, 1, 1]>(p, v)
  [gate] g = HardSigmoid<alpha = 0.2, beta = 0.5>(b)
  [swish] h = HardSwish(b)
  [mul] m = Mul(h, g)
  [cat] c = Concat<axis = 1>(p, m)
  [mean] q = GlobalAveragePool(c)
  [flat] f = Flatten(q)
  [fc] l = Gemm(f, k)
  [soft] y = Softmax<axis = 1>(l)
}"""
INTEGERS = ("npu_int8", "dsp_int8", "npu_pow2", "mcu_tflite", "ethos_u")


def net() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 3, 3, 3), "v": (4, 4, 3, 3), "k": (8, 4)}
    return text_model(NET, {name: (rng.normal(size=shape) / 3).astype(np.float32) for name, shape in shapes.items()})


def samples() -> dict[str, AnyArray]:
    return {"x": np.random.default_rng(1).normal(size=(16, 3, 8, 8)).astype(np.float32)}


def made(target: str, *, float_io: bool = False) -> Quantized:
    return quantize(net(), samples(), target=load_target(target, float_io=float_io), recipe=Recipe(effort="fast"), prove=False)


@pytest.mark.parametrize("target", INTEGERS)
def test_no_float_is_left_and_the_check_agrees(target: str) -> None:
    model = check_quantized(load_target(target), net(), samples(), recipe=Recipe(effort="fast"), floor_db=15).model
    dtype = ir.DataType[load_target(target).activations.dtype.upper()]
    assert [value.dtype for value in (*model.graph.inputs, *model.graph.outputs)] == [dtype, dtype]


@pytest.mark.parametrize("target", INTEGERS)
def test_the_interpreter_gives_what_onnxruntime_gives(target: str) -> None:
    """Float requantization is ONNX's own arithmetic; fixed point differs by few codes."""
    model = made(target).model
    floats = model.clone()
    FloatBoundary()(floats)
    with open_session(floats, optimize="off") as session:
        (wanted,) = session.run(samples())
    for requantization, far in (("float", 2), ("fixed_point", 6)):
        machine = Interpreter(model, "float" if requantization == "float" else "fixed_point")
        ran = machine.run(samples())
        grid = machine.output_grids["y"]
        real = (ran.outputs["y"].astype(np.float32) - int(grid.zero_point)) * grid.scale
        assert ran.overflows == ()
        assert np.abs(real - wanted).max() <= far * float(grid.scale) + 1e-6


def test_float_io_keeps_floats_at_the_edge() -> None:
    model = made("npu_int8", float_io=True).model
    assert [value.dtype for value in (*model.graph.inputs, *model.graph.outputs)] == [ir.DataType.FLOAT] * 2
    rules = {violation.rule for violation in check_model(model, load_target("npu_int8"))}
    assert rules == {"integer_input", "integer_output"}


def test_an_integer_model_is_compared_with_its_float_model(tmp_path: Path) -> None:
    result = made("dsp_int8")
    result.save(tmp_path / "int8.onnx")
    assert load_model(tmp_path / "int8.onnx", quantized=True).model.graph.inputs[0].dtype == ir.DataType.UINT8
    found = compare(net(), tmp_path / "int8.onnx", samples())
    assert found.outputs[0].sqnr_db > 15


def test_what_cannot_run_in_integers_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedOp) as refused:
        quantize(conv_net(), samples(), target="mcu_tflite", prove=False)
    assert "Exp (exp)" in refused.value.where


def test_a_node_kept_float_is_refused_there_too() -> None:
    with pytest.raises(UnsupportedOp, match="no float kernels"):
        quantize(net(), samples(), target="npu_int8", recipe=Recipe(keep_float=("swish",)), prove=False)


def test_a_search_for_float_layers_is_refused() -> None:
    with pytest.raises(BadRecipe, match="integers only"):
        quantize(net(), samples(), target="npu_int8", recipe=Recipe(effort="best"))


def test_a_limit_of_the_chip_is_refused_by_name() -> None:
    """Ethos-U has strides up to 3; mcu_tflite has none such."""
    strided = onnx.parser.parse_model(
        NET.replace("[b] b = Conv<pads = [1, 1, 1, 1]>(p, v)", "[b] b = Conv<strides = [4, 4], pads = [1, 1, 1, 1]>(p, v)").replace(
            "Concat<axis = 1>(p, m)", "Concat<axis = 1>(m, m)"
        )
    )
    strided.graph.initializer.extend(net().graph.initializer)
    quantize(strided, samples(), target="mcu_tflite", recipe=Recipe(effort="fast"), prove=False)
    with pytest.raises(UnsupportedOp) as refused:
        quantize(strided, samples(), target="ethos_u", recipe=Recipe(effort="fast"), prove=False)
    assert "stride [4, 4], but at most 3: Conv (b)" in refused.value.where


def test_golden_vectors_are_what_the_chip_must_give() -> None:
    from edgeq.data.open import open_dataset
    from edgeq.graph.signature import input_specs

    result = made("mcu_tflite")
    dataset = open_dataset(samples(), input_specs(load_proto(net()).model))
    vectors = golden_vectors(result.model, dataset, 3)
    assert {name: (array.dtype, array.shape) for name, array in vectors.items()} == {
        "in_x": (np.dtype("int8"), (3, 3, 8, 8)),
        "out_y": (np.dtype("int8"), (3, 4)),
    }
    again = Interpreter(result.model).run({"x": vectors["in_x"]}).outputs["y"]
    np.testing.assert_array_equal(again, vectors["out_y"])
    assert golden_vectors(result.model, dataset, 3, channels_last=True)["in_x"].shape == (3, 8, 8, 3)


def test_an_overflow_is_reported() -> None:
    text = """<ir_version: 9, opset_import: ["": 17]>
    net (int8[1, 2] x) => (int8[1, 1] y) { xf = DequantizeLinear(x, s, z) wf = DequantizeLinear(w, s, z) bf = DequantizeLinear(b, bs)
      c = Gemm(xf, wf, bf)  y = QuantizeLinear(c, s, z) }"""
    one, zero = np.array(1.0, np.float32), np.array(0, np.int8)
    constants: dict[str, AnyArray] = {"s": one, "z": zero, "w": np.full((2, 1), 127, np.int8)}
    constants |= {"b": np.array([2**31 - 1], np.int32), "bs": one}
    model = ir.from_proto(text_model(text, constants))
    (found,) = Interpreter(model).run({"x": np.full((1, 2), 127, np.int8)}).overflows
    assert found.largest == 2**31 - 1 + 2 * 127 * 127


CHIP = """
schema_version = 1
name = "my_chip"
title = "A chip that nobody has written code for"
runtime = "none"
float_io = false
integer_only = true
[activations]
dtype = "uint8"
source = "data sheet, section 3"
[weights]
dtype = "int8"
granularity = ["per_tensor"]
source = "data sheet, section 4"
[bias]
bits = 24
source = "data sheet, section 5"
[movement]
ops = ["Flatten", "Relu"]
source = "data sheet, section 6"
[boundary]
source = "data sheet, section 7"
[[kernel]]
op = "Conv"
role = "compute"
weight = 1
bias = 2
channel_axis = 0
source = "data sheet, section 8"
[[kernel]]
op = "Gemm"
role = "compute"
weight = 1
bias = 2
channel_axis = 1
source = "data sheet, section 8"
[[kernel]]
op = "Exp"
role = "light"
lookup = true
source = "data sheet, section 9: table of 256 entries"
"""


def test_a_new_chip_is_one_file(tmp_path: Path) -> None:
    file = tmp_path / "my_chip.toml"
    file.write_text(CHIP, encoding="utf-8")
    target = load_target(str(file))
    small = {"x": samples()["x"] * np.float32(0.01)}  # Exp of large numbers has no grid
    model = check_quantized(target, conv_net(), small, recipe=Recipe(effort="fast"), floor_db=15).model
    assert "Gather" in {node.op_type for node in model.graph}  # Exp as a table
    assert Interpreter(model).run(small).outputs["y"].dtype == np.uint8
    other = quantize(conv_net(), small, target="cpu", recipe=Recipe(effort="fast"), prove=False, data_doubts="accept").model
    rules = {violation.rule for violation in check_model(other, target)}
    assert {"integer_input", "weight_granularity"} <= rules


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("lookup = true", "output_grid = { scale = 0.1, zero_point = -3 }", "zero point"),
        ("lookup = true", "output_grid = { scale = 0.1, zero_point = 3 }\nsame_scale = true", "only one can hold"),
        ('op = "Exp"', 'op = "Relu"', "both a kernel and a movement"),
        ("bits = 24", "bits = 64", "bits"),
        ("integer_only = true", "integers_only = true", "integers_only"),
    ],
)
def test_contradictory_facts_are_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    file = tmp_path / "file.toml"
    file.write_text(CHIP.replace(old, new), encoding="utf-8")
    with pytest.raises(BadTarget, match=says) as refused:
        load_target(str(file))
    assert str(file) in refused.value.where


@pytest.mark.parametrize("name", ["a", "b", "fc"])
def test_weights_that_do_not_fit_what_they_are_multiplied_with_are_not_written(name: str) -> None:
    """As in a model that another tool made and that was damaged: its declared sizes hide it."""
    model = made("mcu_tflite").model
    layer = model.graph.node(name)
    unpack = layer.inputs[1].producer() if layer.inputs[1] is not None else None
    assert unpack is not None and unpack.inputs[0] is not None and unpack.inputs[0].const_value is not None
    codes = unpack.inputs[0]
    array = codes.const_value.numpy()
    axis = 0 if layer.op_type == "Gemm" and not layer.attributes.get_int("transB", 0) else 1
    codes.const_value = ir.Tensor(np.take(array, range(array.shape[axis] - 1), axis), name=codes.name)
    with pytest.raises(UnsupportedOp, match="where its input has"):
        emit_tflite(model)
