"""PadAllAxes: a Pad with axes gets amounts for every axis; a fill value that is not read goes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.graph.read import constant, nodes
from edgeq.passes.lower.pad_all_axes import PadAllAxes
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import eager, lines, net, weights

X = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)


@pytest.mark.parametrize(
    ("axes", "pads", "full"), [([3], [1, 2], [0, 0, 0, 1, 0, 0, 0, 2]), ([-1, 2], [1, 0, 2, 3], [0, 0, 0, 1, 0, 0, 3, 2])]
)
def test_amounts_are_written_for_every_axis(axes: list[int], pads: list[int], full: list[int]) -> None:
    """Before: y = Pad(x, p, value, axes). After: y = Pad(x, all, value)."""
    numbers = {"p": np.array(pads), "v": np.float32(9), "a": np.array(axes)}
    model = net("[pad] y = Pad(x, p, v, a)", inputs="float[1, 1, 3, 4] x", constants=numbers, opset=18)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": X})
    assert PadAllAxes()(model).modified
    (node,) = nodes(model)
    assert [None if value is None else value.name for value in node.inputs][2:] == ["v"]
    assert np.asarray(constant(node.inputs[1])).tolist() == full
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run({"x": X})[0], wanted)
    assert not PadAllAxes()(model).modified


def test_a_pad_without_a_value_keeps_none() -> None:
    model = net('y = Pad(x, p, "", a)', inputs="float[1, 1, 3, 4] x", constants={"p": np.array([1, 1]), "a": np.array([2])}, opset=18)
    assert PadAllAxes()(model).modified
    assert lines(model) == ["y = Pad(x, p)"]


@pytest.mark.parametrize(("axes", "pads"), [([3], [1, 2]), ([-1, 2], [1, 0, 2, 3]), ([1, 0, 3], [0, 1, 0, 1, 0, 2])])
def test_amounts_that_a_run_decides_are_scattered(axes: list[int], pads: list[int]) -> None:
    """Before: y = Pad(x, p, v, axes). After: a = ScatterElements(0, at, p), y = Pad(x, a, v)."""
    numbers = {"v": np.float32(9), "a": np.array(axes)}
    model = net("[pad] y = Pad(x, p, v, a)", inputs=f"float[1, 1, 3, 4] x, int64[{len(pads)}] p", constants=numbers, opset=18)
    feeds = {"x": X, "p": np.array(pads)}
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run(feeds)
    assert PadAllAxes()(model).modified
    assert [node.op_type for node in nodes(model)] == ["ScatterElements", "Pad"]
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run(feeds)[0], wanted)
    assert not PadAllAxes()(model).modified


@pytest.mark.parametrize(("form", "axes"), [("p", 2), ("Neg(p)", 2), ("Sub(s, p)", 3)])
def test_a_pad_by_amounts_of_a_run_stands_between_integer_layers(form: str, axes: int) -> None:
    """onnxruntime would permute the amounts, which are fewer than the axes."""
    numbers = {"w": weights(4, 4, 1, 1), "s": np.full(2 * axes, 3), "a": np.arange(4 - axes, 4)}
    amounts = "" if form == "p" else f"p2 = {form}  "
    text = f'c = Conv(x, w)  {amounts}d = Pad(c, {"p2" if amounts else "p"}, "", a)  y = Conv(d, w)'
    inputs = f"float[1, 4, 6, 6] x, int64[{2 * axes}] p"
    model = net(text, inputs=inputs, outputs='float["n", "c", "h", "w"] y', constants=numbers, opset=18)
    pads = {"p": [0, 1, 2, 1], "Neg(p)": [0, -1, -2, -1], "Sub(s, p)": [3, 2, 1, 3, 1, 3]}[form]
    data = {"x": weights(8, 1, 4, 6, 6), "p": np.tile(pads, (8, 1))}
    made = quantize(model, data, target=eager(), recipe=Recipe(effort="fast"))
    assert made.report.placement is not None and made.report.placement.int8 >= 2
    assert made.report.fidelity is not None and made.report.fidelity.sqnr_db > 25


def test_axes_that_a_run_decides_stay() -> None:
    inputs, outputs = "float[1, 1, 3, 4] x, int64[2] p, int64[1] a", 'float["n", "c", "h", "w"] y'
    model = net('y = Pad(x, p, "", a)', inputs=inputs, outputs=outputs, opset=18)
    assert not PadAllAxes()(model).modified
    model = net("y = Pad(x, p)", inputs="float[1, 1, 3, 4] x", constants={"p": np.zeros(8, np.int64)}, opset=18)
    assert not PadAllAxes()(model).modified


@pytest.mark.parametrize(("mode", "opset"), [("edge", 18), ("reflect", 13), ("wrap", 19)])
def test_a_fill_value_that_is_not_read_goes(mode: str, opset: int) -> None:
    """Before: y = Pad <mode = "edge"> (x, p, v). After: y = Pad <mode = "edge"> (x, p)."""
    numbers = {"p": np.array([0, 0, 1, 0, 0, 0, 0, 1]), "v": np.float32(9)}
    model = net(f'y = Pad<mode = "{mode}">(x, p, v)', inputs="float[1, 1, 3, 4] x", constants=numbers, opset=opset)
    assert PadAllAxes()(model).modified
    assert lines(model) == ["y = Pad(x, p)"]
    assert not PadAllAxes()(model).modified


def test_a_fill_value_and_axes_go_together() -> None:
    numbers = {"p": np.array([1, 1]), "v": np.float32(9), "a": np.array([-1])}
    model = net('y = Pad<mode = "edge">(x, p, v, a)', inputs="float[1, 1, 3, 4] x", constants=numbers, opset=18)
    assert PadAllAxes()(model).modified
    assert lines(model) == ["y = Pad(x, p)"]


@pytest.mark.parametrize("mode", ["edge", "reflect"])
@pytest.mark.parametrize("target", ["cpu", "npu_int8"])
def test_a_pad_of_codes_has_no_fill_of_floats(mode: str, target: str) -> None:
    """After the whole rewrite, between two layers: a valid file, with the float model's numbers."""
    numbers = {"w": weights(4, 4, 1, 1), "p": np.array([0, 0, 1, 0, 0, 0, 0, 1]), "v": np.float32(9)}
    text = f'c = Conv(x, w)  d = Pad<mode = "{mode}">(c, p, v)  y = Conv(d, w)'
    model = net(text, inputs="float[1, 4, 6, 6] x", constants=numbers)
    data = {"x": weights(8, 4, 6, 6)}
    made = quantize(model, data, target=eager(target), recipe=Recipe(effort="fast"))
    onnx.checker.check_model(ir.to_proto(made.model), full_check=True)
    assert made.report.fidelity is not None and made.report.fidelity.sqnr_db > 25
