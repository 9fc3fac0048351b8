"""rows_of against the convolutions and products that onnxruntime computes: rows times weights are
its outputs.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.find_layer import layer_of
from edgeq.graph.layer import Layer
from edgeq.graph.layer_rows import rows_of
from edgeq.graph.read import nodes
from edgeq.numerics.arrays import F32
from edgeq.runtimes.ort import open_session
from tests.graph_text import net, weights

EVERYTHING = 10**9

CONVS = {
    "plain": ("Conv(x, w)", (2, 4, 7, 9), (6, 4, 3, 2)),
    "pads": ("Conv<pads = [1, 0, 2, 3]>(x, w)", (1, 4, 7, 9), (6, 4, 3, 2)),
    "strides": ("Conv<strides = [2, 3], pads = [1, 1, 1, 1]>(x, w)", (2, 4, 7, 9), (6, 4, 3, 3)),
    "dilations": ("Conv<dilations = [2, 3]>(x, w)", (1, 4, 9, 9), (6, 4, 3, 2)),
    "all_of_it": ("Conv<dilations = [2, 1], strides = [1, 2], pads = [2, 1, 1, 0], group = 2>(x, w)", (2, 4, 9, 9), (6, 2, 3, 2)),
    "depthwise": ("Conv<group = 4, pads = [1, 1, 1, 1]>(x, w)", (2, 4, 5, 5), (4, 1, 3, 3)),
    "multiplier": ("Conv<group = 4>(x, w)", (1, 4, 5, 5), (8, 1, 3, 3)),
    "same_upper": ('Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(x, w)', (1, 4, 7, 8), (6, 4, 4, 3)),
    "same_lower": ('Conv<auto_pad = "SAME_LOWER", strides = [2, 3]>(x, w)', (1, 4, 7, 8), (6, 4, 4, 4)),
    "valid": ('Conv<auto_pad = "VALID", strides = [2, 2]>(x, w)', (1, 4, 7, 8), (6, 4, 3, 3)),
    "one_dimension": ("Conv<strides = [3], pads = [4, 1], dilations = [2], group = 2>(x, w)", (2, 4, 20), (6, 2, 5)),
    "three_dimensions": ("Conv<strides = [1, 2, 1]>(x, w)", (2, 4, 4, 5, 4), (6, 4, 2, 3, 2)),
}
TRANSPOSED = {
    "transposed": ("ConvTranspose(x, w)", (2, 4, 5, 6), (4, 6, 3, 2)),
    "transposed_strides": ("ConvTranspose<strides = [2, 3], pads = [1, 0, 0, 1]>(x, w)", (2, 4, 5, 6), (4, 6, 4, 3)),
    "transposed_all_of_it": (
        "ConvTranspose<strides = [2, 2], dilations = [1, 2], pads = [1, 1, 1, 0], output_padding = [1, 1]>(x, w)",
        (1, 4, 5, 6),
        (4, 6, 3, 3),
    ),
    "transposed_small_kernel": ("ConvTranspose<strides = [3, 2]>(x, w)", (1, 4, 3, 3), (4, 6, 1, 2)),
    "transposed_one_dimension": ("ConvTranspose<strides = [2], pads = [1, 1]>(x, w)", (2, 4, 7), (4, 6, 4)),
}  # fmt: skip
PRODUCTS = {
    "gemm": ("Gemm(x, w)", (5, 4), (4, 6)),
    "gemm_trans_b": ("Gemm<transB = 1>(x, w)", (5, 4), (6, 4)),
    "matmul": ("MatMul(x, w)", (5, 4), (4, 6)),
    "matmul_rank_3": ("MatMul(x, w)", (2, 5, 4), (4, 6)),
    "matmul_rank_4": ("MatMul(x, w)", (2, 3, 5, 4), (4, 6)),
}
CASES = CONVS | TRANSPOSED | PRODUCTS


def case(name: str) -> tuple[ir.Node, Layer, F32, F32, F32]:
    """Node, layer, weight, input and what onnxruntime makes of them."""
    op, shape, kernel = CASES[name]
    w, x = weights(*kernel, seed=1), weights(*shape, seed=2)
    model = net(f"[op] y = {op}", inputs=f"float[{', '.join(map(str, shape))}] x", constants={"w": w})
    node = next(nodes(model))
    layer = layer_of(node)
    assert layer is not None
    with open_session(model, threads=1) as session:
        (y,) = session.run({"x": x})
    return node, layer, w, x, y


@pytest.mark.parametrize("name", CASES)
def test_rows_times_weights_are_the_outputs(name: str) -> None:
    _, layer, w, x, y = case(name)
    rows = rows_of(layer, x, EVERYTHING, np.random.default_rng(0))
    assert (layer.groups, layer.columns) == (rows.shape[0], rows.shape[2])
    product = rows.astype(np.float64) @ np.swapaxes(layer.weight_rows(w), 1, 2)  # [G, positions, outputs of the group]
    outputs = np.moveaxis(y, 1, -1) if name in CONVS | TRANSPOSED else y
    wanted = outputs.reshape(-1, layer.groups, product.shape[2])
    np.testing.assert_allclose(np.swapaxes(product, 0, 1), wanted, rtol=1e-4, atol=1e-5)
    assert layer.outputs == product.shape[2]


@pytest.mark.parametrize("name", CASES)
def test_from_rows_is_the_inverse_of_weight_rows(name: str) -> None:
    _, layer, w, _, _ = case(name)
    rows = layer.weight_rows(w)
    assert np.array_equal(layer.from_rows(rows), w)
    codes = layer.from_rows(rows.astype(np.int8))
    assert (codes.dtype, codes.shape, codes.flags.c_contiguous) == (np.int8, w.shape, True)


@pytest.mark.parametrize("name", ["all_of_it", "depthwise", "matmul_rank_3"])
def test_a_quota_draws_whole_rows_without_putting_back(name: str) -> None:
    _, layer, _, x, _ = case(name)
    every = rows_of(layer, x, EVERYTHING, np.random.default_rng(0))
    some = rows_of(layer, x, 7, np.random.default_rng(4))
    assert some.shape[1] == 7
    known = {row.tobytes() for row in np.swapaxes(every, 0, 1)}
    drawn = [row.tobytes() for row in np.ascontiguousarray(np.swapaxes(some, 0, 1))]
    assert set(drawn) <= known
    assert len(set(drawn)) == 7
    assert np.array_equal(some, rows_of(layer, x, 7, np.random.default_rng(4)))
    assert not np.array_equal(some, rows_of(layer, x, 7, np.random.default_rng(5)))


@pytest.mark.parametrize("name", ["all_of_it", "one_dimension"])
def test_stacked_iterations_of_a_loop_are_more_rows(name: str) -> None:
    _, layer, _, x, _ = case(name)
    one = rows_of(layer, x, EVERYTHING, np.random.default_rng(0))
    stacked = rows_of(layer, np.stack([x, 2 * x]), EVERYTHING, np.random.default_rng(0))
    assert np.array_equal(stacked, np.concatenate([one, 2 * one], axis=1))


@pytest.mark.parametrize(
    ("op", "constants"),
    [
        ("MatMul(x, u)", {}),
        ("MatMul(x, w)", {"w": weights(3, 4, 4)}),
        ("MatMul(w, x)", {"w": weights(4, 4)}),
        ("Gemm<transA = 1>(m, w)", {"w": weights(4, 4)}),
        ("ConvTranspose<group = 2>(x, w)", {"w": weights(4, 1, 2)}),
        ('ConvTranspose<auto_pad = "SAME_UPPER">(x, w)', {"w": weights(4, 2, 2)}),
        ("Mul(x, w)", {"w": weights(4, 4)}),
        ("Relu(x)", {}),
    ],
)
def test_no_layer_without_a_constant_matrix_on_the_right(op: str, constants: dict[str, F32]) -> None:
    model = net(f"y = {op}", inputs="float[3, 4, 4] x, float[3, 4, 4] u, float[4, 4] m", constants=constants)
    assert layer_of(next(nodes(model))) is None


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 4)])
def test_rows_of_a_window_of_one_place_are_the_channels_there(samples: int, stride: int, groups: int) -> None:
    constants = {"w": weights(8, 8 // groups, 1, 1)}
    model = net(f"[n] y = Conv<group = {groups}, strides = [{stride}, {stride}]>(x, w)", inputs="float[N, 8, 7, 5] x", constants=constants)
    layer = layer_of(model.graph[0])
    assert layer is not None
    x = np.random.default_rng(0).normal(size=(samples, 8, 7, 5)).astype(np.float32)
    points = np.moveaxis(x[:, :, ::stride, ::stride], 1, -1).reshape(-1, groups, 8 // groups)
    whole = rows_of(layer, x, 1000, np.random.default_rng(1))
    np.testing.assert_array_equal(whole, points.swapaxes(0, 1))
    some = rows_of(layer, x, 6, np.random.default_rng(1))
    drawn = [next(place for place, point in enumerate(points) if np.array_equal(point, row)) for row in some.swapaxes(0, 1)]
    assert len(set(drawn)) == 6
    assert drawn == sorted(drawn)
    some[:] = 0  # the rows are the caller's: they are no view of the value
    assert x.all()
