"""PadAllAxes: a Pad with axes gets amounts for every axis."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.read import constant, nodes
from edgeq.passes.lower.pad_all_axes import PadAllAxes
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net

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
