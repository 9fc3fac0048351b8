"""ResizePlanes: a cubic Resize that shrinks works on planes, and computes the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.lower.resize_planes import ResizePlanes
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import eager, lines, net, weights

HALF = {"s": np.array([1, 1, 0.5, 0.5], np.float32)}
CROP = 'mode = "cubic", coordinate_transformation_mode = "tf_crop_and_resize"'
REGION = np.array([0, 0, 0.1, 0.2, 1, 1, 0.8, 0.9], np.float32)


def resize(inputs: str, attributes: str, shape: str, constants: dict[str, AnyArray]) -> ir.Model:
    return net(f"y = Resize<{attributes}>({inputs})", inputs=f"float[{shape}] x", constants=constants, opset=18)


@pytest.mark.parametrize(
    ("inputs", "attributes", "shape", "constants"),
    [
        ("x, , s", 'mode = "cubic"', "N, 3, H, W", HALF),
        ("x, , s", 'mode = "cubic", coordinate_transformation_mode = "align_corners"', "2, 3, 6, 8", HALF),
        ("x, , , n", 'mode = "cubic"', "2, 3, 6, 8", {"n": np.array([2, 3, 9, 5])}),
        ("x, r, , n", CROP, "2, 3, 6, 8", {"n": np.array([2, 3, 9, 9]), "r": REGION}),
    ],
)
def test_computes_the_same_on_planes(inputs: str, attributes: str, shape: str, constants: dict[str, AnyArray]) -> None:
    model, x = resize(inputs, attributes, shape, constants), weights(2, 3, 6, 8)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": x})
    assert ResizePlanes()(model).modified
    assert [node.op_type for node in model.graph] == ["Reshape", "Resize", "Reshape"]
    assert lines(model)[-1].startswith("y = Reshape")
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    with open_session(model, optimize="off") as session:
        np.testing.assert_allclose(session.run({"x": x})[0], wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "attributes", "shape", "constants"),
    [
        ("x, , s", 'mode = "linear"', "2, 3, 6, 8", HALF),
        ("x, , s", 'mode = "cubic", antialias = 1', "2, 3, 6, 8", HALF),
        ("x, , s", 'mode = "cubic"', "2, 3, 6, 8", {"s": np.array([1, 1, 1.5, 2], np.float32)}),
        ("x, , , n", 'mode = "cubic"', "2, 3, 6, 8", {"n": np.array([2, 3, 9, 8])}),
        ("x, , , n", 'mode = "cubic"', "N, 3, 6, 8", {"n": np.array([2, 3, 3, 3])}),
    ],
)
def test_what_onnxruntime_takes_stays(inputs: str, attributes: str, shape: str, constants: dict[str, AnyArray]) -> None:
    assert not ResizePlanes()(resize(inputs, attributes, shape, constants)).modified


@pytest.mark.parametrize("scale", [0.5, 0.7])
def test_onnxruntime_loads_it_between_integer_layers(scale: float) -> None:
    numbers = {"w": weights(4, 4, 1, 1), "s": np.array([1, 1, scale, 1.5], np.float32)}
    model = net('c = Conv(x, w)  d = Resize<mode = "cubic">(c, , s)  y = Conv(d, w)', inputs="float[N, 4, 6, 6] x", constants=numbers)
    made = quantize(model, {"x": weights(8, 4, 6, 6)}, target=eager(), recipe=Recipe(effort="fast"))
    assert made.report.fidelity is not None and made.report.fidelity.sqnr_db > 25
