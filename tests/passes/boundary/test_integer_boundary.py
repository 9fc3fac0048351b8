"""IntegerBoundary: inputs and outputs become codes, and the model tells their grids."""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.code_grids import GRID_KEY
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.passes.boundary.integer_boundary import IntegerBoundary
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines
from tests.small_models import text_model

X = np.array([[-2.0, -0.5, 0.5, 3.0]], np.float32)
CODES = {"s": np.array(0.125, np.float32), "t": np.array(0.25, np.float32), "z": np.array(3, np.int8)}


def float_ends(body: str = "g = Tanh(af)", outputs: str = "float[1, 4] y") -> ir.Model:
    """A function on codes, with floats at both ends."""
    text = f"""<ir_version: 9, opset_import: ["": 17]> net (float[1, 4] x) => ({outputs}) {{
      a = QuantizeLinear(x, s, z) af = DequantizeLinear(a, s, z) {body} q = QuantizeLinear(g, t, z) y = DequantizeLinear(q, t, z) }}"""
    return ir.from_proto(text_model(text, CODES))


def test_the_boundary_goes_to_codes_and_back() -> None:
    model = float_ends()
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": X})
    assert IntegerBoundary()(model).modified
    assert [(value.name, value.dtype) for value in (*model.graph.inputs, *model.graph.outputs)] == [
        ("x", ir.DataType.INT8),
        ("y", ir.DataType.INT8),
    ]
    assert json.loads(model.metadata_props[f"{GRID_KEY}x"]) == {"dtype": "int8", "scale": 0.125, "zero_point": 3}
    assert not IntegerBoundary()(model).modified
    codes = np.clip(np.rint(X / 0.125) + 3, -128, 127).astype(np.int8)
    with open_session(model, optimize="off") as session:
        (found,) = session.run({"x": codes})
    np.testing.assert_allclose((found.astype(np.float32) - 3) * 0.25, wanted)
    assert FloatBoundary()(model).modified
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run({"x": X})[0], wanted)
    assert not FloatBoundary()(model).modified


def test_the_pairs_at_the_ends_are_gone() -> None:
    model = float_ends()
    IntegerBoundary()(model)
    assert lines(model) == ["af = DequantizeLinear(x, s, z)", "g = Tanh(af)", "y = QuantizeLinear(g, t, z)"]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("n = Neg(x) g = Add(af, n)", ["x"]),  # also read as floats
        ("b = QuantizeLinear(x, t, z) bf = DequantizeLinear(b, t, z) g = Add(af, bf)", ["x"]),  # two grids
    ],
)
def test_an_input_of_no_single_grid_stays_float(body: str, kept: list[str]) -> None:
    model = float_ends(body)
    IntegerBoundary()(model)
    floats = [value.name for value in (*model.graph.inputs, *model.graph.outputs) if value.dtype == ir.DataType.FLOAT]
    assert floats == kept
    assert [key for key in model.metadata_props if key.startswith(GRID_KEY)] == [f"{GRID_KEY}y"]


@pytest.mark.parametrize(
    ("body", "inner"),
    [
        ("h = Relu(af)", "k = DequantizeLinear(c, t, z) g = Tanh(k)"),  # a float node reads it as well
        ("h = Neg(af)", "k = DequantizeLinear(c, t, z) e = QuantizeLinear(k, s, z) g = DequantizeLinear(e, s, z)"),  # on another grid
    ],
)
def test_an_output_that_other_nodes_read_becomes_codes(body: str, inner: str) -> None:
    model = float_ends(f"{body} c = QuantizeLinear(h, t, z) {inner}", "float[1, 4] y, float[1, 4] k")
    with open_session(model, optimize="off") as session:
        wanted = session.run({"x": X})
    assert IntegerBoundary()(model).modified
    assert [(value.name, value.dtype) for value in model.graph.outputs] == [("y", ir.DataType.INT8), ("k", ir.DataType.INT8)]
    assert f"{GRID_KEY}k" in model.metadata_props
    assert not IntegerBoundary()(model).modified
    codes = np.clip(np.rint(X / 0.125) + 3, -128, 127).astype(np.int8)
    with open_session(model, optimize="off") as session:
        found = session.run({"x": codes})
    for got, real in zip(found, wanted, strict=True):
        np.testing.assert_allclose((got.astype(np.float32) - 3) * 0.25, real)
    assert FloatBoundary()(model).modified
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run({"x": X}), wanted)


@pytest.mark.parametrize("outputs", ["float[1, 4] y, float[1, 4] y", "float[1, 4] y, float[1, 4] g, float[1, 4] y"])
def test_an_output_that_is_listed_twice_becomes_codes_twice_and_comes_back(outputs: str) -> None:
    model = float_ends(outputs=outputs)
    with open_session(model, optimize="off") as session:
        wanted = session.run({"x": X}, ["y"])[0]
    assert IntegerBoundary()(model).modified
    assert [value.dtype for value in model.graph.outputs if value.name == "y"] == [ir.DataType.INT8] * 2
    assert model.graph.outputs[0] is model.graph.outputs[-1]
    assert FloatBoundary()(model).modified
    assert [value.name for value in model.graph.outputs] == [word.split()[-1] for word in outputs.split(", ") if "]" in word]
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run({"x": X}, ["y"])[0], wanted)
