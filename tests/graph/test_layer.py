"""Layer: what the weight of every operator with one is, by rows and by channels; which questions a
node answers.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.find_layer import layer_of, scalable_layer, weight_layout
from edgeq.graph.layer import Layer
from edgeq.graph.read import nodes
from edgeq.numerics.arrays import F32
from edgeq.runtimes.ort import open_session
from tests.graph_text import net, weights

#: operator, shape of its input, shape of its weight, (groups, channels in, channels out, axis)
CASES = {
    "conv": ("Conv(x, w)", (2, 4, 6, 6), (6, 4, 3, 2), (1, 4, 6, 1)),
    "conv_groups": ("Conv<group = 2>(x, w)", (2, 4, 6, 6), (6, 2, 3, 2), (2, 4, 6, 1)),
    "depthwise": ("Conv<group = 4>(x, w)", (2, 4, 6, 6), (4, 1, 3, 3), (4, 4, 4, 1)),
    "transposed": ("ConvTranspose(x, w)", (2, 4, 5, 6), (4, 6, 3, 2), (1, 4, 6, 1)),
    "transposed_groups": ("ConvTranspose<group = 2>(x, w)", (2, 4, 5, 6), (4, 3, 3, 2), (2, 4, 6, 1)),
    "gemm": ("Gemm(x, w)", (5, 4), (4, 6), (1, 4, 6, 1)),
    "gemm_trans_b": ("Gemm<transB = 1>(x, w)", (5, 4), (6, 4), (1, 4, 6, 1)),
    "matmul": ("MatMul(x, w)", (2, 5, 4), (4, 6), (1, 4, 6, 2)),
}


def model_of(name: str, weight: F32) -> ir.Model:
    op, shape, _, _ = CASES[name]
    return net(f"y = {op}", inputs=f"float[{', '.join(map(str, shape))}] x", constants={"w": weight})


def scalable(name: str) -> tuple[Layer, F32]:
    weight = weights(*CASES[name][2], seed=1)
    layer = scalable_layer(next(nodes(model_of(name, weight))))
    assert layer is not None
    return layer, weight


def outputs(name: str, weight: F32, x: F32) -> F32:
    with open_session(model_of(name, weight), threads=1) as session:
        return np.asarray(session.run({"x": x})[0], np.float32)


@pytest.mark.parametrize("name", CASES)
def test_channels_and_shape(name: str) -> None:
    layer, weight = scalable(name)
    assert (layer.groups, layer.in_channels, layer.out_channels, layer.axis) == CASES[name][3]
    assert layer.shape == weight.shape
    assert layer.by_channel(weight).shape[:3] == (layer.groups, layer.outputs, layer.kernel[0])


@pytest.mark.parametrize("name", CASES)
def test_a_scaled_weight_undoes_the_scales_of_its_input_and_makes_those_of_its_output(name: str) -> None:
    layer, weight = scalable(name)
    assert layer.axis is not None
    x = weights(*CASES[name][1], seed=2)
    before, after = np.exp2(np.arange(layer.in_channels) % 3 - 1.0), np.exp2(np.arange(layer.out_channels) % 5 - 2.0)
    along = [-1 if axis == layer.axis else 1 for axis in range(x.ndim)]
    wanted = outputs(name, weight, x) * after.reshape(along)
    found = outputs(name, layer.scaled(weight, before, after).astype(np.float32), (x * before.reshape(along)).astype(np.float32))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert np.array_equal(layer.scaled(weight, None, None), weight)
    assert np.array_equal(layer.scaled(weight, None, np.float64(2.0)), 2 * weight)  # one for all channels


@pytest.mark.parametrize("name", CASES)
def test_rows_hold_the_channels_of_a_group_in_order(name: str) -> None:
    layer, weight = scalable(name)
    rows = layer.weight_rows(weight)
    assert rows.flags.c_contiguous
    assert np.array_equal(rows.reshape(layer.by_channel(weight).shape), layer.by_channel(weight))
    assert np.array_equal(layer.from_rows(rows), weight)


@pytest.mark.parametrize(
    ("op", "questions"),
    [
        ("MatMul(x, w)", {"layout", "rows", "scales"}),
        ("MatMul(w, w)", {"layout", "scales"}),
        ("Gemm<transA = 1>(x, w)", {"layout"}),
        ("Gemm(x, w, b)", {"layout", "rows", "scales"}),
        ("Gemm(x, w, x)", {"layout", "rows"}),
        ("Gemm(x, w, m)", {"layout", "rows"}),
        ("MatMul(x, x)", set()),
        ("Relu(x)", set()),
    ],
)
def test_which_nodes_answer_which_question(op: str, questions: set[str]) -> None:
    constants = {"w": weights(4, 4), "b": weights(4), "m": weights(4, 4, seed=1)}
    node = next(nodes(net(f"y = {op}", inputs="float[4, 4] x", constants=constants)))
    found = {"layout": weight_layout(node), "rows": layer_of(node), "scales": scalable_layer(node)}
    assert {name for name, layer in found.items() if layer is not None} == questions


def test_a_transposed_convolution_of_groups_has_no_rows_but_takes_scales() -> None:
    node = next(nodes(model_of("transposed_groups", weights(4, 3, 3, 2))))
    assert layer_of(node) is None
    assert scalable_layer(node) is not None
