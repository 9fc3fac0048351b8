"""ResizeAllAxes: a Resize with axes gets scales or sizes for every axis, and computes the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.lower.resize_all_axes import ResizeAllAxes
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import eager, net, weights

X = weights(2, 3, 4, 6)
CROP = np.array([0.2, 0.6, 0.1, 0.9], np.float32)


def resize(inputs: str, attributes: str, shape: str = "2, 3, 4, 6", **constants: AnyArray) -> ir.Model:
    return net(f"y = Resize<{attributes}>({inputs})", inputs=f"float[{shape}] x", constants=constants, opset=19)


@pytest.mark.parametrize(
    ("inputs", "attributes", "numbers"),
    [
        ("x, , s", "axes = [2, 3]", {"s": np.array([2, 1.5], np.float32)}),
        ("x, , s", 'axes = [-1, 2], mode = "linear"', {"s": np.array([2, 0.5], np.float32)}),
        ("x, , , n", 'axes = [3, 2], mode = "cubic"', {"n": np.array([9, 7])}),
        ("x, , , n", 'axes = [1], mode = "linear"', {"n": np.array([5])}),
        ("x, r, , n", 'axes = [2, 3], mode = "linear", coordinate_transformation_mode = "tf_crop_and_resize"',
         {"n": np.array([3, 3]), "r": CROP[[0, 2, 1, 3]]}),
        ("x, , , n", 'axes = [2, 3], keep_aspect_ratio_policy = "not_larger"', {"n": np.array([8, 30])}),
        ("x, , , n", 'axes = [2, 3], keep_aspect_ratio_policy = "not_smaller", mode = "linear"', {"n": np.array([2, 18])}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", ["2, 3, 4, 6", "N, 3, 4, 6"])
def test_computes_the_same_for_every_axis(inputs: str, attributes: str, numbers: dict[str, AnyArray], shape: str) -> None:
    model = resize(inputs, attributes, shape, **numbers)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": X})
    assert ResizeAllAxes()(model).modified
    (node,) = nodes(model)
    assert "axes" not in node.attributes
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    with open_session(model, optimize="off") as session:
        np.testing.assert_allclose(session.run({"x": X})[0], wanted, rtol=1e-6, atol=1e-6)
    assert not ResizeAllAxes()(model).modified


def test_sizes_stay_sizes_where_all_are_known() -> None:
    """Before: y = Resize <axes = [2, 3]> (x, , , n). After: y = Resize(x, , , all)."""
    model = resize("x, , , n", "axes = [2, 3]", n=np.array([12, 9]))
    assert ResizeAllAxes()(model).modified
    (node,) = nodes(model)
    assert np.asarray(constant(node.inputs[3])).tolist() == [2, 3, 12, 9]
    model = resize("x, , , n", "axes = [2, 3]", "N, 3, 4, 6", n=np.array([12, 9]))
    assert ResizeAllAxes()(model).modified
    (node,) = nodes(model)
    assert np.asarray(constant(node.inputs[2])).tolist() == [1, 1, 3, 1.5]


def test_what_a_run_decides_or_would_round_differently_stays() -> None:
    policy = 'axes = [2, 3], keep_aspect_ratio_policy = "not_larger"'
    assert not ResizeAllAxes()(resize("x, , , n", policy, n=np.array([7, 30]), shape="2, 3, 5, 7")).modified  # 9.8 columns are 10
    assert not ResizeAllAxes()(resize("x, , , n", "axes = [2, 3]", "N, 3, H, W", n=np.array([7, 30]))).modified
    assert not ResizeAllAxes()(net("y = Resize<axes = [2, 3]>(x, , s)", inputs="float[2, 3, 4, 6] x, float[2] s", opset=19)).modified
    assert not ResizeAllAxes()(resize("x, , s", 'mode = "nearest"', s=np.ones(4, np.float32))).modified


@pytest.mark.parametrize(("mode", "axes"), [("nearest", "[2, 3]"), ("linear", "[3, 2]")])
def test_onnxruntime_loads_it_between_integer_layers(mode: str, axes: str) -> None:
    """Also where the Resize itself stays float."""
    numbers = {"w": weights(4, 4, 1, 1), "n": np.array([12, 9])}
    text = f'c = Conv(x, w)  d = Resize<mode = "{mode}", axes = {axes}>(c, , , n)  y = Conv(d, w)'
    model = net(text, inputs="float[1, 4, 6, 6] x", constants=numbers, opset=18)
    made = quantize(model, {"x": weights(8, 4, 6, 6)}, target=eager(), recipe=Recipe(effort="fast"))
    assert made.report.fidelity is not None and made.report.fidelity.sqnr_db > 25
