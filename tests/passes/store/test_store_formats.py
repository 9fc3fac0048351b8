"""Number formats in the graph: each form at its lowest opset, folded by onnxruntime to the integer
kernels of plain int8, and undone by materialize.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from edgeq.graph.read import nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.formats.blocks import cut, joined
from edgeq.numerics.formats.table import parse_format
from edgeq.passes.store.materialize import Materialize
from edgeq.passes.store.store_formats import FormatStorage, StoreFormats, worth_storing
from edgeq.proof.read_back import read_back
from edgeq.runtimes.ort import Optimize, open_session
from tests.graph_text import lines

Int8 = NDArray[np.int8]

GRID = "<float s = {{0.02}}, uint8 z = {{128}}, float t = {{0.05}}>"
CONV = (
    """<ir_version: {ir}, opset_import: ["": {opset}]>
net (float[1, {channels}, 9, 4] x) => (float[1, 6, 7, 2] y)
  """
    + GRID
    + """ {{
  q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)  wd = DequantizeLinear<axis = 0>(w, ws, wz)
  [layer] c = Conv(d, wd)  qc = QuantizeLinear(c, t, z)  y = DequantizeLinear(qc, t, z) }}"""
)
GEMM = (
    """<ir_version: {ir}, opset_import: ["": {opset}]>
net (float[3, {channels}] x) => (float[3, 6] y)
  """
    + GRID
    + """ {{
  q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)  wd = DequantizeLinear<axis = {axis}>(w, ws, wz)
  [layer] c = {op}(d, wd)  qc = QuantizeLinear(c, t, z)  y = DequantizeLinear(qc, t, z) }}"""
)

#: kind of layer -> its text, the shape of its weight, the axis of the output channels
LAYERS = {
    "Conv": (CONV, (6, 32, 3, 3), 0),
    "Conv of few channels": (CONV, (6, 5, 3, 3), 0),
    "Gemm": (GEMM.replace("{op}", "Gemm<transB = 1>"), (6, 48), 0),
    "Gemm, inputs first": (GEMM.replace("{op}", "Gemm"), (48, 6), 1),
    "MatMul of odd width": (GEMM.replace("{op}", "MatMul"), (37, 6), 1),
}


def codes_of(word: str, shape: tuple[int, ...], axis: int) -> Int8:
    """Random int8 codes that have the form of a format."""
    chance = np.random.default_rng(0)
    channels, *kernel = np.moveaxis(np.empty(shape), axis, 0).shape
    columns = int(np.prod(kernel))
    rows = chance.integers(-7, 8, (channels, columns))
    block = parse_format(word).block
    if block is not None:
        vectors = cut(rows, tuple(kernel), block)
        rows = joined(vectors * chance.integers(1, 10, (*vectors.shape[:2], 1)), tuple(kernel))
    return np.ascontiguousarray(np.moveaxis(rows.reshape(channels, *kernel), 0, axis)).astype(np.int8)


def layer(kind: str, weight: Int8, opset: int) -> ir.Model:
    text, shape, axis = LAYERS[kind]
    channels = shape[1] if kind.startswith("Conv") or axis == 0 else shape[0]
    proto = onnx.parser.parse_model(text.format(opset=opset, ir=11 if opset > 22 else 10, channels=channels, axis=axis))
    scale = np.linspace(0.001, 0.002, 6).astype(np.float32)
    for name, array in (("w", weight), ("ws", scale), ("wz", np.zeros(6, np.int8))):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return ir.from_proto(proto)


def run(model: ir.Model, optimize: Optimize = "all") -> AnyArray:
    shape = model.graph.inputs[0].shape
    assert shape is not None
    feeds = {"x": np.random.default_rng(5).normal(size=shape.numpy()).astype(np.float32)}
    with open_session(model, optimize=optimize, threads=1) as session:
        return session.run(feeds)[0]


@pytest.fixture(autouse=True)
def small_weights_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights here are tiny, so that every form is quick; only the form matters."""
    monkeypatch.setattr("edgeq.passes.store.store_formats.NODES_BYTES", -(10**6))


@pytest.mark.parametrize("opset", [13, 18, 21])
@pytest.mark.parametrize("word", ["int4", "two_level:16", "two_level:8"])
@pytest.mark.parametrize("kind", LAYERS)
def test_every_form_runs_as_plain_int8_does(opset: int, word: str, kind: str) -> None:
    _, shape, axis = LAYERS[kind]
    weight = codes_of(word, shape, axis)
    plain, model = layer(kind, weight, opset), layer(kind, weight, opset)
    assert StoreFormats({"layer:1": FormatStorage(parse_format(word), axis)})(model).modified
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    for optimize in ("all", "off"):
        assert np.array_equal(run(model, optimize), run(plain, optimize)), optimize
    kernels = [sorted(kernel.op_type for kernel in read_back(one).kernels.values()) for one in (model, plain)]
    assert kernels[0] == kernels[1]
    assert {"QLinearConv", "QLinearMatMul", "QGemm"}.intersection(kernels[0])
    assert kernels[0].count("DequantizeLinear") == 1  # of the output
    back = model.clone()
    assert Materialize()(back).modified
    (found,) = [value.const_value for value in back.graph.initializers.values() if value.shape == weight.shape]
    assert found is not None
    assert np.array_equal(found.numpy(), weight)
    assert [node.op_type for node in nodes(back)] == [node.op_type for node in nodes(plain)]


@pytest.mark.parametrize(("word", "opset"), [("int4", 13), ("int4", 21), ("two_level:16", 13), ("two_level:16", 21)])
@pytest.mark.parametrize("kind", LAYERS)
def test_the_bytes_are_those_that_the_format_says(word: str, opset: int, kind: str) -> None:
    _, shape, axis = LAYERS[kind]
    weight = codes_of(word, shape, axis)
    stored = worth_storing(weight, FormatStorage(parse_format(word), axis))
    model = layer(kind, weight, opset)
    StoreFormats({"layer:1": FormatStorage(parse_format(word), axis)})(model)
    held = [value.const_value for name, value in model.graph.initializers.items() if name.startswith("w")]
    assert stored is not None
    assert sum(one.nbytes for one in held if one is not None) == stored.nbytes


def test_a_four_bit_type_of_its_own() -> None:
    model = layer("Gemm", codes_of("two_level:16", (6, 48), 0), 21)
    StoreFormats({"layer:1": FormatStorage(parse_format("two_level:16"), 0)})(model)
    kinds = {name: value.dtype for name, value in model.graph.initializers.items()}
    assert kinds["w_codes"] == ir.DataType.INT4
    assert kinds["w_vector_scales"] == ir.DataType.UINT4
    assert lines(model)[:5] == [
        "stored = Cast(w_codes)",
        "stored_1 = Cast(w_vector_scales)",
        "stored_2 = Mul(stored, stored_1)",
        "stored_3 = Cast(stored_2)",
        "w = Reshape(stored_3, stored_4)",
    ]


def test_codes_of_another_form_stay() -> None:
    weight = codes_of("int4", (6, 48), 0)
    weight[0, :2] = (126, 125)  # no whole number divides both to within -7..7
    for word in ("int4", "two_level:16"):
        model = layer("Gemm", weight, 21)
        assert not StoreFormats({"layer:1": FormatStorage(parse_format(word), 0)})(model).modified


def test_a_weight_that_would_not_get_smaller_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    model = layer("Gemm", codes_of("int4", (6, 48), 0), 21)
    assert not StoreFormats({"layer:1": FormatStorage(parse_format("int4"), 0)})(model).modified
