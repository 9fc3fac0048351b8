"""FloatBoundary: what has recorded its codes takes and gives floats again."""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import GRID_KEY
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.runtimes.ort import open_session
from edgeq.schema.pixels import PixelMap, pixel_key
from tests.graph_text import lines
from tests.qdq_toys import codes_net

BODY = "af = DequantizeLinear(a, s, z) g = Tanh(af) q = QuantizeLinear(g, t, z)"


def recorded(*names: str) -> ir.Model:
    model = codes_net(BODY, "int8[1, 2] q")
    for name in names:
        grid = {"dtype": "int8", "scale": 0.125 if name == "a" else 0.25, "zero_point": 3}
        model.metadata_props[GRID_KEY + name] = json.dumps(grid)
    return model


def test_recorded_ends_become_floats_under_their_names() -> None:
    model = recorded("a", "q")
    assert FloatBoundary()(model).modified
    assert lines(model) == [
        "a_codes = QuantizeLinear(a, a_scale, a_zero_point)",
        "af = DequantizeLinear(a_codes, s, z)",
        "g = Tanh(af)",
        "q_codes = QuantizeLinear(g, t, z)",
        "q = DequantizeLinear(q_codes, q_scale, q_zero_point)",
    ]
    assert [(value.name, value.dtype) for value in (model.graph.inputs[0], *model.graph.outputs)] == [
        ("a", ir.DataType.FLOAT),
        ("q", ir.DataType.FLOAT),
    ]
    assert dict(model.metadata_props) == {}
    with open_session(model, optimize="off") as session:
        (found,) = session.run({"a": np.float32([[-0.5, 3.0]]), "b": np.zeros((1, 2), np.int8)})
    assert found.tolist() == [[-0.5, 1.0]]  # tanh in steps of 1/4
    assert not FloatBoundary()(model).modified


def test_integers_without_a_record_are_meant_to_be_integers() -> None:
    assert not FloatBoundary()(recorded()).modified
    model = recorded("q")
    FloatBoundary()(model)
    assert [value.dtype for value in model.graph.inputs] == [ir.DataType.INT8, ir.DataType.INT8]


def pixels() -> ir.Model:
    """Takes raw pixels that an application would make 2 * (p - 100) of."""
    text = """<ir_version: 9, opset_import: ["": 17]> net (uint8[1, 2] p) => (float[1, 2] y)
      <float s = {2.0}, uint8 z = {100}> { y = DequantizeLinear(p, s, z) }"""
    model = ir.from_onnx_text(text)
    model.metadata_props[f"{GRID_KEY}p"] = json.dumps({"dtype": "uint8", "scale": 2.0, "zero_point": 100})
    model.metadata_props[pixel_key("p")] = PixelMap(scale=(2.0,), zero=(100.0,), axis=-1).model_dump_json()
    return model


def test_raw_pixels_are_made_of_floats() -> None:
    model = pixels()
    assert FloatBoundary()(model).modified
    assert [line.split("(")[0] for line in lines(model)] == ["p_shifted = Add", "p_codes = QuantizeLinear", "y = DequantizeLinear"]
    with open_session(model, optimize="off") as session:
        (found,) = session.run({"p": np.float32([[-200.0, 34.0]])})
    assert found.tolist() == [[-200.0, 34.0]]
    assert not FloatBoundary()(model).modified


def test_raw_pixels_stay_where_they_are_wanted() -> None:
    model = pixels()
    assert not FloatBoundary(pixels=False)(model).modified
    assert (model.graph.inputs[0].dtype, pixel_key("p") in model.metadata_props) == (ir.DataType.UINT8, True)
