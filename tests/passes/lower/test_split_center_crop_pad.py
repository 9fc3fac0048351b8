"""SplitCenterCropPad: CenterCropPad is a Slice and a Pad, and computes the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.graph.read import nodes
from edgeq.passes.lower.split_center_crop_pad import SplitCenterCropPad
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import eager, lines, net, weights


def crop(sizes: list[int], axes: str = "", shape: str = "2, 3, 6, 7") -> ir.Model:
    text = f"r = Relu(x)  y = CenterCropPad{axes}(r, s)"
    return net(text, inputs=f"float[{shape}] x", constants={"s": np.array(sizes)}, opset=18)


@pytest.mark.parametrize(
    ("sizes", "axes", "operators"),
    [
        ([4, 9], "<axes = [2, 3]>", "Relu Slice Pad"),
        ([9, 4], "<axes = [-1, -2]>", "Relu Slice Pad"),
        ([2, 3, 3, 4], "", "Relu Slice"),
        ([3, 4, 7, 10], "", "Relu Pad"),
        ([6], "<axes = [2]>", "Relu"),
    ],
)
def test_computes_the_same(sizes: list[int], axes: str, operators: str) -> None:
    model, x = crop(sizes, axes), weights(2, 3, 6, 7)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": x})
    assert SplitCenterCropPad()(model).modified
    assert " ".join(node.op_type for node in nodes(model)) == operators
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run({"x": x})[0], wanted)
    assert lines(model)[-1].startswith("y = ")


def test_what_a_run_decides_stays() -> None:
    assert not SplitCenterCropPad()(crop([4, 9], "<axes = [2, 3]>", "2, 3, H, W")).modified
    assert not SplitCenterCropPad()(
        net("y = CenterCropPad(x, s)", inputs="float[4, 5] x, int64[2] s", outputs="float[A, B] y", opset=18)
    ).modified


@pytest.mark.parametrize(("sizes", "axes"), [([10, 9], "[-2, -1]"), ([5, 3], "[1, 2]")])
@pytest.mark.parametrize("target", ["cpu", "npu_int8"])
def test_runs_between_integer_layers(sizes: list[int], axes: str, target: str) -> None:
    numbers = {"w": weights(4, 4, 1, 1), "v": weights(4, 5 if axes == "[1, 2]" else 4, 1, 1), "s": np.array(sizes)}
    text = f"c = Conv(x, w)  d = CenterCropPad<axes = {axes}>(c, s)  y = Conv(d, v)"
    model = net(text, inputs="float[1, 4, 6, 11] x", constants=numbers, opset=18)
    made = quantize(model, {"x": weights(8, 4, 6, 11)}, target=eager(target), recipe=Recipe(effort="fast"))
    assert made.report.fidelity is not None and made.report.fidelity.sqnr_db > 25
