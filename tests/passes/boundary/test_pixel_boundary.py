"""PixelBoundary: inputs take raw pixels; what read floats reads them through a DequantizeLinear."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import GRID_KEY
from edgeq.numerics.grid import QuantParams
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.passes.boundary.pixel_boundary import PixelBoundary
from edgeq.runtimes.ort import open_session
from edgeq.schema.pixels import PixelMap, pixel_grid, pixel_key
from edgeq.schema.target import load_target
from tests.graph_text import lines, net

OWN = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)"
OTHER = "r = QuantizeLinear(x, s, w) e = DequantizeLinear(r, s, w)"


def test_a_quantizer_to_the_pixels_own_grid_goes_and_another_stays() -> None:
    model = net(f"{OWN} {OTHER} y = Add(d, e)", inputs="float[1, 2] x", constants={"s": 0.5, "z": np.uint8(0), "w": np.int8(-128)})
    one, grid = PixelMap(scale=(0.5,), zero=(0.0,), axis=-1), QuantParams("uint8", np.float32(0.5), np.asarray(0, np.int32))
    assert PixelBoundary({"x": one}, {"x": grid})(model).modified
    assert lines(model) == [
        "x_pixels_dequantized = DequantizeLinear(x, x_pixel_scale, x_pixel_zero_point)",
        "d = DequantizeLinear(x, s, z)",
        "r = QuantizeLinear(x_pixels_dequantized, s, w)",
        "e = DequantizeLinear(r, s, w)",
        "y = Add(d, e)",
    ]
    assert model.graph.inputs[0].dtype == ir.DataType.UINT8
    assert {f"{GRID_KEY}x", pixel_key("x")} <= set(model.metadata_props)


def test_the_pass_leaves_a_readers_float_and_runs_once() -> None:
    one = PixelMap(scale=(0.5,), zero=(0.0,), axis=-3)
    grid = pixel_grid(one, load_target("cpu").activations)
    model = net("q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)  r = Relu(x)  y = Add(d, r)", inputs="float[1, 2, 2] x",
                constants={"s": 0.5, "z": np.uint8(0)})  # fmt: skip
    step = PixelBoundary({"x": one}, {"x": grid})
    assert step(model).modified
    assert [node.op_type for node in model.graph] == ["DequantizeLinear", "DequantizeLinear", "Relu", "Add"]
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    assert not step(model).modified
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before
    FloatBoundary()(model)
    with open_session(model, optimize="off") as session:
        (found,) = session.run({"x": np.full((1, 2, 2), 3.5, np.float32)})
    np.testing.assert_array_equal(found, np.full((1, 2, 2), 7.0))
