"""Multiply-accumulates of one sample, and sizes where a dimension is not known."""

from __future__ import annotations

import pytest

from edgeq.graph.macs import UNKNOWN_DIM, elements, macs
from edgeq.graph.read import nodes
from tests.graph_text import net, weights


@pytest.mark.parametrize(
    ("body", "inputs", "weight", "wanted"),
    [
        ("y = Conv<pads = [1, 1, 1, 1]>(x, w)", "float[N, 8, 6, 5] x", (4, 8, 3, 3), 8 * 9 * 4 * 6 * 5),
        ("y = Conv<group = 4>(x, w)", "float[2, 8, 6, 5] x", (8, 2, 1, 1), 2 * 2 * 8 * 6 * 5),
        ("y = ConvTranspose<strides = [2, 2]>(x, w)", "float[1, 8, 6, 5] x", (8, 4, 3, 3), 4 * 9 * 8 * 6 * 5),
        ("y = Gemm(x, w)", "float[N, 16] x", (16, 10), 160),
        ("y = Gemm<transA = 1>(x, w)", "float[16, 3] x", (16, 10), 3 * 160),
        ("y = MatMul(x, w)", "float[N, 7, 16] x", (16, 10), 7 * 160),
        ("y = MatMul(x, w)", "float[N, S, 16] x", (16, 10), UNKNOWN_DIM * 160),
        ("y = Add(x, w)", "float[N, 16] x", (16,), 0),
        ("y = GRU<hidden_size = 5>(x, w, w)", "float[7, N, 5] x", (1, 15, 5), 7 * 2 * 75),
        ("y = LSTM<hidden_size = 5>(x, w, w)", "float[S, 2, 5] x", (1, 20, 5), UNKNOWN_DIM * 2 * 2 * 100),
        ('y = RNN<hidden_size = 5, direction = "bidirectional">(x, w, w)', "float[7, 1, 5] x", (2, 5, 5), 7 * 2 * 50),
        ("y = GRU<hidden_size = 5, layout = 1>(x, w, w)", "float[N, 7, 5] x", (1, 15, 5), 7 * 2 * 75),
    ],
)
def test_each_weight_counts_once_for_each_place_that_it_is_used_at(body: str, inputs: str, weight: tuple[int, ...], wanted: int) -> None:
    """A transposed convolution uses its weights at every place of its input, others at every place
    of their output, recurrent layers both of theirs at every step; a batch of N is one sample.
    """
    (node,) = nodes(net(body, inputs=inputs, constants={"w": weights(*weight)}))
    assert macs(node) == wanted


def test_an_unknown_batch_counts_once_and_another_unknown_size_as_a_usual_one() -> None:
    x = net("y = Relu(x)", inputs="float[N, S, 3] x").graph.inputs[0]
    assert (elements(x), elements(None)) == (UNKNOWN_DIM * 3, 1)
