"""Likely sizes of values whose dimensions are open: what follows from those of the inputs."""

from __future__ import annotations

import pytest

from edgeq.graph.macs import UNKNOWN_DIM, elements, macs
from edgeq.graph.read import nodes
from edgeq.graph.shapes.likely_sizes import note_likely_sizes
from tests.graph_text import net, weights

HALF = UNKNOWN_DIM // 2


@pytest.mark.parametrize(
    ("body", "inputs", "made"),
    [
        ("y = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w)", "float[N, 8, H, W] x", 8 * HALF * HALF),
        ("a = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x) y = Relu(a)", "float[N, 8, H, W] x", 8 * HALF * HALF),
        ("y = Conv<strides = [2], pads = [1, 1]>(x, line)", "float[1, 8, L] x", 8 * HALF),
        ("y = GlobalAveragePool(x)", "float[N, 8, H, W] x", 8),
        ("y = Transpose<perm = [1, 0, 2]>(x)", "float[N, L, 8] x", UNKNOWN_DIM * 8),
        ("y = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w)", "float[N, 8, 16, 16] x", 8 * 8 * 8),
    ],
)
def test_sizes_behind_open_inputs_follow_from_theirs(body: str, inputs: str, made: int) -> None:
    model = net(body, inputs=inputs, constants={"w": weights(8, 8, 3, 3), "line": weights(8, 8, 3)})
    note_likely_sizes(model)
    assert elements(model.graph[-1].outputs[0]) == made
    assert all(value.shape is None or not value.shape.is_static() for value in model.graph.inputs if "N" in inputs)


def test_the_work_of_a_layer_is_that_of_its_own_places() -> None:
    """Without it, the second layer would count for as many places as the first."""
    body = "a = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w) y = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(a, w)"
    model = net(body, inputs="float[N, 8, H, W] x", constants={"w": weights(8, 8, 3, 3)})
    note_likely_sizes(model)
    first, second = (macs(node) for node in nodes(model))
    assert first == 4 * second == 8 * 72 * HALF * HALF
