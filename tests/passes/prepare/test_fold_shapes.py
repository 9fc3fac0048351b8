"""FoldShapes: computed reshape targets become plain ones, known sizes become numbers."""

from __future__ import annotations

from edgeq.graph.read import constant, nodes
from edgeq.passes.prepare.fold_shapes import FoldShapes
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines


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
