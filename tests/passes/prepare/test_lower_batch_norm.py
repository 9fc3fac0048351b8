"""LowerBatchNorm: what folds nowhere becomes a depthwise Conv, or a Mul and an Add."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import nodes
from edgeq.passes.prepare.lower_batch_norm import LowerBatchNorm
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines, net


def test_lowers_by_rank_and_keeps_the_nodes_name() -> None:
    model = named_model("lone_bn")
    assert LowerBatchNorm()(model).modified
    assert [(node.op_type, node.name) for node in nodes(model)] == [
        ("Conv", "BatchNormalization_0"),
        ("Mul", "BatchNormalization_1_mul"),
        ("Add", "BatchNormalization_1"),
    ]
    assert [value.name for value in model.graph.outputs] == ["y", "z"]
    assert lines(model)[0] == "y = Conv(x, BatchNormalization_0_scale, BatchNormalization_0_shift)"
    assert not LowerBatchNorm()(model).modified


def test_no_channels_make_no_convolution() -> None:
    """A Conv of no groups ends the process in onnxruntime."""
    none = np.zeros(0, np.float32)
    model = net("y = BatchNormalization(x, n, n, n, n)", inputs="float[1, 0, 2] x", constants={"n": none})
    assert not LowerBatchNorm()(model).modified
    assert [node.op_type for node in nodes(model)] == ["BatchNormalization"]
