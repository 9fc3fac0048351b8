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


def test_amounts_or_axes_that_a_run_decides_stay() -> None:
    model = net('y = Pad(x, p, "", a)', inputs="float[1, 1, 3, 4] x, int64[2] p", constants={"a": np.array([2])}, opset=18)
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
