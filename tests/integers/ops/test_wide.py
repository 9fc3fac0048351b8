"""The law of operators in 16 bits: numpy, LiteRT and TFLite Micro compute the same codes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.errors import UnsupportedOp
from edgeq.integers.emit import emit_tflite
from edgeq.integers.interpreter import wide_functions
from edgeq.integers.reading.opened import OpenedFile
from edgeq.integers.reading.read import read_tflite
from edgeq.integers.run import Interpreter
from edgeq.integers.tflite.parse import parse
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.protocol import OpenedModel
from tests.integers.ops.test_law import apart, stored
from tests.integers.ops.toys import TOYS, Toy, model

#: from a scale of 8 bits to one of 16
FINER = np.float32(1 / 256)
#: constants of a toy that are scales of activations, or of what is a product with one
SCALES = ("xs", "vs", "ys", "ks", "os")
#: kernels that LiteRT or TFLite Micro lacks, by operator or by the form of a toy
MISSING = {
    "ReduceMax", "ReduceMin", "GlobalMaxPool", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Cast", "ArgMax", "ArgMin",
    "HardSwish", "PRelu", "LogSoftmax", "Lookup", "Gather", "DepthToSpace", "SpaceToDepth",
}  # fmt: skip
#: those whose kernels have the output grid 1/32768
FIXED = ("Sigmoid", "Softmax", "Tanh")
OTHER_FORMS = ("Resize-linear", "Pad-reflect", "Concat-result-of-a-table")
WIDE = [toy for toy in TOYS if toy.op_type not in MISSING and not str(toy).startswith(OTHER_FORMS)]


def wide(toy: Toy) -> ir.Model:
    """The toy with int16 codes of zero point 0 for every activation."""
    proto = ir.to_proto(model(toy))
    for found in list(proto.graph.initializer):
        array, name = onnx.numpy_helper.to_array(found), found.name
        if name in SCALES:
            array = np.asarray(np.maximum(array * FINER, 1 / 32768) if toy.op_type in FIXED and name == "ys" else array * FINER, np.float32)
        elif name in ("xz", "vz", "yz", "kz"):
            array = np.zeros(array.shape, np.int16)
        elif name == "kq":
            array = array.astype(np.int16) * np.int16(200)
        elif name in ("l", "h", "f") and array.dtype == np.int8:
            array = array.astype(np.int16) * np.int16(256)
        elif name == "o" and array.dtype == np.int32:
            array = array * np.int32(256)
        found.CopyFrom(onnx.numpy_helper.from_array(np.asarray(array), name))
    for value in (*proto.graph.input, *proto.graph.output):
        if value.type.tensor_type.elem_type == onnx.TensorProto.INT8:
            value.type.tensor_type.elem_type = onnx.TensorProto.INT16
    del proto.graph.value_info[:]
    proto.opset_import[0].version, proto.ir_version = 21, 10
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True))


def feeds(found: ir.Model) -> dict[str, AnyArray]:
    """Codes from all over the type; their real numbers where the model takes floats."""
    rng = np.random.default_rng(0)
    made: dict[str, AnyArray] = {}
    for value in found.graph.inputs:
        assert value.shape is not None
        whole = rng.integers(-32768, 32768, tuple(int(size) for size in value.shape if isinstance(size, int)))
        made[str(value.name)] = whole.astype(np.int16) if value.dtype == ir.DataType.INT16 else (whole * 0.05 * FINER).astype(np.float32)
    return made


def runtimes(written: bytes, inputs: int, outputs: int) -> list[OpenedModel]:
    pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")
    pytest.importorskip("tflite_micro", reason="needs the extra [backends]")
    from edgeq.runtimes.tflite.litert import LiteRt
    from edgeq.runtimes.tflite.tflm import TfLiteMicro

    return [
        LiteRt(written, "reference"),
        LiteRt(written, "xnnpack"),
        TfLiteMicro(written, inputs, outputs),
        OpenedFile(read_tflite(written)),
    ]


@pytest.mark.parametrize("toy", WIDE, ids=str)
def test_runtimes_compute_the_codes_of_the_interpreter(toy: Toy) -> None:
    made = wide(toy)
    given, machine = feeds(made), Interpreter(made)
    wanted = machine.run(given).outputs
    written = emit_tflite(made)
    types = {tensor.dtype for tensor in parse(written).tensors if tensor.data is None}
    assert "int16" in types and "int8" not in types
    arrays = [stored(array) for array in given.values()]
    for runs in runtimes(written, len(arrays), len(wanted)):
        for found, (name, codes) in zip(runs.run(arrays), wanted.items(), strict=True):
            assert apart(found, stored(codes), machine.output_grids.get(name)) <= 1, type(runs).__name__


def of_one(op: str, scale: float, shape: tuple[int, ...]) -> ir.Model:
    sizes = ",".join(map(str, shape))
    text = f'<ir_version: 10, opset_import: ["": 21]> g (int16[{sizes}] x) => (int16[{sizes}] y) '
    text += f"<float xs = {{{scale!r}}}, float ys = {{{1 / 32768!r}}}, int16 z = {{0}}> "
    text += f"{{ a = DequantizeLinear(x, xs, z) b = {op}(a) y = QuantizeLinear(b, ys, z) }}"
    return ir.from_proto(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text), strict_mode=True))


@pytest.mark.parametrize(("op", "scale"), [("Sigmoid", 3e-4), ("Sigmoid", 2.0**-13), ("Sigmoid", 2e-5), ("Tanh", 3e-4), ("Tanh", 1e-4)])
def test_every_code_of_a_function(op: str, scale: float) -> None:
    """No rounding lies between: the tables of the runtimes are those of the interpreter."""
    made = of_one(op, scale, (1, 1 << 16))
    codes = np.arange(-32768, 32768, dtype=np.int16)[None]
    wanted = Interpreter(made).run({"x": codes}).outputs["y"]
    for runs in runtimes(emit_tflite(made), 1, 1):
        found = np.abs(runs.run([codes])[0].astype(int) - wanted.astype(int))
        assert found.max() <= 1 and np.mean(found > 0) <= 0.005, type(runs).__name__


@pytest.mark.parametrize("scale", [5e-4, 1e-4, 1e-5])
def test_softmax_of_many_rows(scale: float) -> None:
    made = of_one("Softmax", scale, (64, 10))
    codes = np.random.default_rng(3).integers(-32768, 32768, (64, 10)).astype(np.int16)
    wanted = Interpreter(made).run({"x": codes}).outputs["y"]
    for runs in runtimes(emit_tflite(made), 1, 1):
        assert apart(runs.run([codes])[0], wanted, None) <= 1, type(runs).__name__


def test_tables_follow_the_functions() -> None:
    """A reference that has no tables: within 3 steps of 1/32768."""
    x = np.arange(-32768, 32768, dtype=np.int64)
    real = x * 2e-4
    assert np.abs(wide_functions.sigmoid(x, 2e-4) - 32768 / (1 + np.exp(-real))).max() < 3
    assert np.abs(wide_functions.tanh(x, 2e-4) - 32768 * np.tanh(real)).max() < 3
    rows = np.random.default_rng(0).integers(-9000, 9000, (50, 8))
    powers = np.exp(rows * 2e-4)
    assert np.abs(wide_functions.softmax(rows, 2e-4, -1) - 32768 * powers / powers.sum(-1, keepdims=True)).max() < 8


def test_an_operator_without_such_a_kernel_is_refused() -> None:
    toy = next(toy for toy in TOYS if toy.op_type == "LogSoftmax")
    with pytest.raises(UnsupportedOp, match="16 bits"):
        emit_tflite(wide(toy))


@pytest.mark.parametrize("width", [8, 16])
def test_a_bias_has_the_type_of_its_kernel(width: int) -> None:
    toy = next(toy for toy in TOYS if toy.op_type == "Conv")
    written = parse(emit_tflite(wide(toy) if width == 16 else model(toy)))
    assert {str(tensor.dtype) for tensor in written.tensors if tensor.name.endswith("_bias")} == {"int64" if width == 16 else "int32"}
