"""FoldShapes: computed reshape targets become plain ones, known sizes become numbers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.read import constant, nodes
from edgeq.passes.prepare.fold_shapes import FoldShapes
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines, net


def test_targets_become_plain() -> None:
    model = named_model("shape_arithmetic")
    assert FoldShapes()(model).modified
    assert [line.split("(")[0] for line in lines(model)] == ["p = GlobalAveragePool", "y = Flatten", "i = Transpose", "z = Reshape"]
    target = constant(list(nodes(model))[-1].inputs[1])
    assert target is not None
    assert target.tolist() == [0, -1, 2]


def test_known_sizes_become_numbers() -> None:
    model = named_model("known_shape")
    assert FoldShapes()(model).modified
    reshape = list(nodes(model))[-1]
    target = constant(reshape.inputs[1])
    assert [node.op_type for node in nodes(model)] == ["Reshape"]
    assert target is not None
    assert target.tolist() == [3, 4]


def test_a_target_that_only_a_run_knows_stays() -> None:
    model = named_model("shape_arithmetic")
    model.graph.inputs[0].shape = None
    for node in nodes(model):
        for value in node.outputs:
            value.shape = None
    assert not FoldShapes()(model).modified


@pytest.mark.parametrize(("shape", "left"), [([2, 12], False), ([-1, 3], False), ([0, 12], True)])
def test_allowzero_goes_where_the_target_holds_no_0(shape: list[int], left: bool) -> None:
    rows = 0 if left else 2
    model = net("y = Reshape<allowzero = 1>(x, s)", inputs=f"float[{rows}, 3, 4] x", constants={"s": np.array(shape)})
    assert FoldShapes()(model).modified is not left
    found = next(nodes(model))
    assert ("allowzero" in found.attributes) is left


def test_allowzero_of_a_computed_target_stays() -> None:
    model = net("y = Reshape<allowzero = 1>(x, s)", inputs="float[2, 3, 4] x, int64[2] s")
    assert not FoldShapes()(model).modified
