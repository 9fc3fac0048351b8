"""SplitLayerNorm: the normalization written out."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.passes.lower.split_layer_norm import SplitLayerNorm
from edgeq.testing.pass_laws import check_pass
from tests.graph_text import net

FEEDS = {"x": np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)}
SCALE = np.array([1, -2, 0.5, 3], np.float32)
WHOLE = ["ReduceMean", "Sub", "Mul", "ReduceMean", "Add", "Sqrt", "Reciprocal", "Mul", "Mul", "Add"]


@pytest.mark.parametrize("opset", [17, 18])
def test_scale_and_bias(opset: int) -> None:
    model = net("[n] y = LayerNormalization(x, s, b)", inputs="float[2, 3, 4] x", constants={"s": SCALE, "b": SCALE + 1}, opset=opset)
    after = check_pass(SplitLayerNorm(), model, feeds=FEEDS)
    assert [node.op_type for node in after.graph] == WHOLE


def test_without_a_bias_over_two_axes_with_its_own_epsilon() -> None:
    scale = np.arange(12, dtype=np.float32).reshape(3, 4)
    model = net("[n] y = LayerNormalization<axis = 1, epsilon = 0.5>(x, s)", inputs="float[2, 3, 4] x", constants={"s": scale})
    after = check_pass(SplitLayerNorm(), model, feeds=FEEDS)
    assert [node.op_type for node in after.graph] == WHOLE[:-1]


def test_one_whose_mean_is_read_and_one_that_is_kept_stay() -> None:
    read = net(
        "[n] y, m = LayerNormalization(x, s) z = Relu(m)", inputs="float[2, 3, 4] x", constants={"s": SCALE}, outputs="float y, float z"
    )
    assert not SplitLayerNorm()(read).modified
    assert not SplitLayerNorm(frozenset({"n"}))(
        net("[n] y = LayerNormalization(x, s)", inputs="float[2, 3, 4] x", constants={"s": SCALE})
    ).modified
