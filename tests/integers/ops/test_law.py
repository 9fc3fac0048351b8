"""The law of integer operators: every row of the table computes the same codes in numpy, in LiteRT
and in TFLite Micro, and what ONNX says.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.errors import UnsupportedOp
from edgeq.integers.emit import emit_tflite
from edgeq.integers.graph import integer_graph
from edgeq.integers.ops.table import OPERATORS
from edgeq.integers.run import Interpreter
from edgeq.integers.tflite.read import file_operators
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams, quantize
from edgeq.runtimes.ort import open_session
from tests.integers.ops.toys import NUMPY_ALONE, REFUSED, TOYS, Toy, feeds, model

OP_TYPES = [op_type for operator in OPERATORS for op_type in operator.op_types]


def stored(array: AnyArray) -> AnyArray:
    if array.dtype == np.int64:
        return array.astype(np.int32)  # no codes: indices keep their layout
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def apart(found: AnyArray, wanted: AnyArray, grid: QuantParams | None) -> int:
    """The largest difference in codes or whole numbers; found: floats, codes or whole numbers."""
    assert found.shape == wanted.shape
    codes = quantize(found, grid) if found.dtype == np.float32 and grid is not None else found
    return int(np.abs(codes.astype(int) - wanted.astype(int)).max())


@pytest.mark.parametrize("op_type", OP_TYPES)
def test_every_row_has_a_toy(op_type: str) -> None:
    toys = [toy for toy in (*TOYS, *NUMPY_ALONE) if toy.op_type == op_type]
    assert toys
    for toy in toys:
        assert op_type in {step.op_type for step in integer_graph(model(toy)).steps}


def test_every_operator_has_one_row() -> None:
    assert sorted(set(OP_TYPES)) == sorted(OP_TYPES)


@pytest.mark.parametrize("toy", TOYS, ids=str)
def test_runtimes_compute_the_codes_of_the_interpreter(toy: Toy) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra [backends]")
    pytest.importorskip("tflite_micro", reason="needs the extra [backends]")
    from edgeq.runtimes.tflite.litert import LiteRt
    from edgeq.runtimes.tflite.tflm import TfLiteMicro

    toy_model = model(toy)
    given, machine = feeds(toy_model), Interpreter(toy_model)
    wanted = machine.run(given).outputs
    written = emit_tflite(toy_model)
    assert toy.floats or all(op.integer for op in file_operators(written, ""))
    arrays = [stored(array) for array in given.values()]
    for runs in (LiteRt(written, "reference"), TfLiteMicro(written, len(arrays), len(wanted))):
        for found, (name, codes) in zip(runs.run(arrays), wanted.items(), strict=True):
            assert apart(found, stored(codes), machine.output_grids.get(name)) <= toy.near, type(runs).__name__


@pytest.mark.parametrize("toy", (*TOYS, *NUMPY_ALONE), ids=str)
def test_the_interpreter_computes_what_onnxruntime_does(toy: Toy) -> None:
    toy_model = model(toy)
    given, machine = feeds(toy_model), Interpreter(toy_model, "float")
    with open_session(ir.to_proto(toy_model).SerializeToString(), optimize="off") as session:
        wanted = session.run(given)
    for (name, codes), found in zip(machine.run(given).outputs.items(), wanted, strict=True):
        assert apart(found, codes, machine.output_grids.get(name)) <= toy.float_near


@pytest.mark.parametrize("toy", (*NUMPY_ALONE, *REFUSED), ids=str)
def test_what_tflite_cannot_express_is_refused(toy: Toy) -> None:
    with pytest.raises(UnsupportedOp):
        emit_tflite(model(toy))


@pytest.mark.parametrize("toy", REFUSED, ids=str)
def test_the_interpreter_refuses_rather_than_compute_something_else(toy: Toy) -> None:
    toy_model = model(toy)
    with pytest.raises(UnsupportedOp):
        Interpreter(toy_model).run(feeds(toy_model))


def test_an_operator_of_another_domain_is_not_onnx_s() -> None:
    toy_model = model(next(toy for toy in TOYS if toy.op_type == "Softmax"))
    (node,) = (node for node in toy_model.graph if node.op_type == "Softmax")
    node.domain = "my.chip"
    toy_model.opset_imports["my.chip"] = 1
    for opened in (emit_tflite, Interpreter):
        with pytest.raises(UnsupportedOp, match="Softmax"):
            opened(toy_model)
