"""SplitHardSigmoid, RequantizeInputs, UnaryToLookup, IntegerBoundary and FloatBoundary,
QoperatorToQdq: before and after.
"""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.code_grids import GRID_KEY
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.passes.boundary.integer_boundary import IntegerBoundary
from edgeq.passes.boundary.qoperator_to_qdq import QoperatorToQdq
from edgeq.passes.lower.split_hardsigmoid import SplitHardSigmoid
from edgeq.passes.place.requantize_inputs import RequantizeInputs
from edgeq.passes.place.unary_to_lookup import UnaryToLookup
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net
from tests.small_models import text_model

X = np.linspace(-8, 8, 33, dtype=np.float32)
ONE = np.array(0.125, np.float32)
OTHER = np.array(0.25, np.float32)
ZERO = np.array(3, np.int8)


def test_hard_sigmoid_is_add_clip_mul() -> None:
    model = net("[act] y = HardSigmoid<alpha = 0.25, beta = 0.5>(x)", inputs="float[33] x")
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": X})
    assert SplitHardSigmoid()(model).modified
    assert [node.op_type for node in model.graph] == ["Add", "Clip", "Mul"]
    with open_session(model, optimize="off") as session:
        np.testing.assert_allclose(session.run({"x": X})[0], wanted, atol=1e-6)
    assert not SplitHardSigmoid()(model).modified


def test_hard_sigmoid_that_falls_or_starts_below_zero_stays() -> None:
    model = net("a = HardSigmoid<alpha = -0.25>(x) y = HardSigmoid<beta = -0.5>(a)", inputs="float[33] x")
    assert not SplitHardSigmoid()(model).modified


def pair_net(body: str, outputs: str = "int8[1, 4] q") -> ir.Model:
    text = f'<ir_version: 9, opset_import: ["": 17]> net (int8[1, 2] a, int8[1, 2] b) => ({outputs}) {{ {body} }}'
    constants = {"s": ONE, "t": OTHER, "z": ZERO}
    return ir.from_proto(text_model(text, {name: array for name, array in constants.items() if f" {name}" in text}))


def test_concat_gets_its_inputs_on_one_grid() -> None:
    body = "af = DequantizeLinear(a, s, z) bf = DequantizeLinear(b, t, z) [cat] c = Concat<axis = 1>(af, bf) q = QuantizeLinear(c, t, z)"
    model = pair_net(body)
    feeds = {"a": np.array([[100, -100]], np.int8), "b": np.array([[5, 6]], np.int8)}
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run(feeds)
    assert RequantizeInputs({"cat"})(model).modified
    assert lines(model).count("a_requantized = QuantizeLinear(af, t, z)") == 0  # named after node and value
    assert [node.op_type for node in model.graph].count("QuantizeLinear") == 2
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run(feeds)[0], wanted)
    assert not RequantizeInputs({"cat"})(model).modified


def test_a_function_becomes_a_table_and_every_code_is_the_same() -> None:
    model = pair_net("af = DequantizeLinear(a, s, z) [f] g = Tanh(af) q = QuantizeLinear(g, s, z)", "int8[1, 2] q")
    original = model.clone()
    assert UnaryToLookup({"f"})(model).modified
    assert [node.op_type for node in model.graph] == ["Cast", "Gather"]
    codes = np.arange(-128, 128).astype(np.int8).reshape(-1, 1, 2)
    with open_session(original, optimize="off") as before, open_session(model, optimize="off") as after:
        for row in codes:
            feeds = {"a": row, "b": row}
            np.testing.assert_array_equal(after.run(feeds)[0], before.run(feeds)[0])
    assert not UnaryToLookup({"f"})(model).modified


FLOAT_ENDS = (
    "a = QuantizeLinear(x, s, z) af = DequantizeLinear(a, s, z) g = Tanh(af) q = QuantizeLinear(g, t, z) y = DequantizeLinear(q, t, z)"
)


def test_the_boundary_goes_to_codes_and_back() -> None:
    text = f'<ir_version: 9, opset_import: ["": 17]> net (float[1, 4] x) => (float[1, 4] y) {{ {FLOAT_ENDS} }}'
    model = ir.from_proto(text_model(text, {"s": ONE, "t": OTHER, "z": ZERO}))
    x = np.array([[-2.0, -0.5, 0.5, 3.0]], np.float32)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": x})
    assert IntegerBoundary()(model).modified
    assert [(value.name, value.dtype) for value in (*model.graph.inputs, *model.graph.outputs)] == [
        ("x", ir.DataType.INT8),
        ("y", ir.DataType.INT8),
    ]
    assert json.loads(model.metadata_props[f"{GRID_KEY}x"]) == {"dtype": "int8", "scale": 0.125, "zero_point": 3}
    assert not IntegerBoundary()(model).modified
    codes = np.clip(np.rint(x / ONE) + 3, -128, 127).astype(np.int8)
    with open_session(model, optimize="off") as session:
        (found,) = session.run({"x": codes})
    np.testing.assert_allclose((found.astype(np.float32) - 3) * OTHER, wanted)
    assert FloatBoundary()(model).modified
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run({"x": x})[0], wanted)
    assert not FloatBoundary()(model).modified


QOPERATORS = {
    "QLinearMatMul(a, s, z, w, s, z, t, z)": ("DequantizeLinear", "DequantizeLinear", "MatMul", "QuantizeLinear"),
    "com.microsoft.QGemm(a, s, z, w, s, z, , t, z)": ("DequantizeLinear", "DequantizeLinear", "Gemm", "QuantizeLinear"),
    "com.microsoft.QLinearConcat<axis = 1>(t, z, a, s, z, b, s, z)": (
        "DequantizeLinear",
        "DequantizeLinear",
        "Concat",
        "QuantizeLinear",
    ),
    "com.microsoft.QLinearWhere(c, a, s, z, b, s, z, t, z)": ("DequantizeLinear", "DequantizeLinear", "Where", "QuantizeLinear"),
    "com.microsoft.QLinearSigmoid(a, s, z, t, z)": ("DequantizeLinear", "Sigmoid", "QuantizeLinear"),
}


@pytest.mark.parametrize("form", QOPERATORS)
def test_qoperator_nodes_are_written_as_pairs(form: str) -> None:
    text = f"""<ir_version: 9, opset_import: ["": 17, "com.microsoft": 1]> net (int8[1, 2] a) => (int8[?, ?] y) {{ [mm] y = {form} }}"""
    weight = np.array([[1, 2, 3], [4, 5, 6]], np.int8)
    constants = {"w": weight, "b": np.array([[7, 100]], np.int8), "c": np.array([[True, False]])}
    model = ir.from_proto(text_model(text, {"s": ONE, "t": OTHER, "z": ZERO, **constants}))
    feeds = {"a": np.array([[50, -20]], np.int8)}
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run(feeds)
    assert QoperatorToQdq()(model).modified
    assert tuple(node.op_type for node in model.graph) == QOPERATORS[form]
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run(feeds)[0], wanted)
    assert not QoperatorToQdq()(model).modified
