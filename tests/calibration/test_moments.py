"""Second moments: exact whole numbers, the same for any number of workers, rows from every part of
the data.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import edgeq.numerics.rounding.exact_sums
from edgeq.calibration.memory import within_memory
from edgeq.calibration.moments import (
    LEAST_ROWS,
    ROWS_PER_COLUMN,
    WAITING_LEAST,
    WAITING_MOST,
    _Shared,
    _Sum,
    measure_moments,
    unit_moments,
)
from edgeq.data.open import Dataset, open_dataset
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.graph.find_layer import layer_of
from edgeq.graph.layer import Layer
from edgeq.graph.layer_rows import rows_of
from edgeq.graph.read import nodes
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32, F64, I64
from edgeq.numerics.grid import QuantParams, grid_for_range, quantize
from edgeq.numerics.rounding.exact_sums import ExactSums
from edgeq.numerics.rounding.half_matrix import HalfMatrix, panels_of
from edgeq.numerics.rounding.moment import Moment, Seen
from tests.graph_text import net, weights

GRID = grid_for_range(-2.0, 3.0, "uint8")
X = np.random.default_rng(1).normal(size=(12, 6, 7, 7)).astype(np.float32)


def model_of(op: str = "Conv<pads = [1, 1, 1, 1], group = 2>(r, w)", *kernel: int, batch: str = "N") -> ir.Model:
    shape = ", ".join(map(str, (batch, *X.shape[1:])))
    return net(f"r = LeakyRelu(x) [op] y = {op}", inputs=f"float[{shape}] x", constants={"w": weights(*(kernel or (4, 3, 3, 3)))})


def layers_of(model: ir.Model) -> list[Layer]:
    return [layer for node in nodes(model) if (layer := layer_of(node)) is not None]


def measured(model: ir.Model, x: F32 = X, grid: QuantParams = GRID, seed: int = 0) -> Moment:
    layers = layers_of(model)
    (found,) = measure_moments(model, [layers], {layer.source: grid for layer in layers}, data_of(model, x), seed=seed)
    return found


def total(moment: Moment) -> F64:
    """The sums of products, [G, K, K]."""
    assert moment.products is not None
    parts, columns = moment.products.parts, next(iter(moment.layers.values())).sum.shape[1]
    return HalfMatrix(len(parts[0]), columns, moment.products.panels, parts).dense()


def data_of(model: ir.Model, x: F32) -> Dataset:
    return open_dataset({"x": x}, input_specs(model))


def all_rows(layer: Layer, value: F32, grid: QuantParams) -> I64:
    """Every row of the layer's input as codes less the zero point: int64 [G, rows, K]."""
    rows = rows_of(layer, value, 10**9, np.random.default_rng(0))
    return quantize(rows, grid).astype(np.int64) - int(grid.zero_point)


def leaky(x: F32) -> F32:
    return np.where(x < 0, np.float32(0.01) * x, x)


@pytest.mark.parametrize(
    ("op", "kernel"),
    [("Conv<pads = [1, 1, 1, 1], group = 2>(r, w)", (4, 3, 3, 3)), ("Conv(r, w)", (4, 6, 2, 2)), ("MatMul(r, w)", (7, 5))],
)
def test_sums_are_exact_where_every_row_is_taken(op: str, kernel: tuple[int, ...]) -> None:
    model = model_of(op, *kernel)
    (layer,) = layers_of(model)
    codes = all_rows(layer, leaky(X), GRID)
    found = measured(model)
    assert found.rows == codes.shape[1] <= LEAST_ROWS
    assert np.array_equal(total(found), np.swapaxes(codes, 1, 2) @ codes)
    assert np.array_equal(found.layers["op"].sum, codes.sum(1))


def test_second_moment_mean_and_covariance() -> None:
    sums = ExactSums(1, panels_of(2))
    sums.add(np.array([[[3, 1], [1, 1]]], np.float32))
    found = Moment(sums, {"op": Seen(np.array([[4, 2]]), 2)}, 0.5)
    assert found.half().dense().tolist() == [[[2.5, 1], [1, 0.5]]]
    assert found.layers["op"].mean.tolist() == [[2, 1]]
    assert found.half(["op"]).dense().tolist() == [[[0.5, 0], [0, 0]]]
    empty = Moment(ExactSums(1, panels_of(1)), {"op": Seen(np.zeros((1, 1)), 0)}, 1.0)
    assert (empty.half(["op"]).dense().item(), empty.layers["op"].mean.item()) == (0, 0)


def test_inputs_without_data_are_independent() -> None:
    (layer,) = layers_of(model_of())
    (found,) = unit_moments([[layer]])
    assert np.array_equal(found.half().dense(), np.broadcast_to(np.eye(27), (2, 27, 27)))


SHARED = """[one] a = Gemm(x, w, b) [two] c = Tanh(a) [op] d = Gemm(c, w, b) [three] e = Mul(d, ten) [last] y = Gemm(e, w, b)"""


@pytest.mark.parametrize("alike", [True, False])
def test_a_shared_weight_has_the_sum_of_its_layers(alike: bool) -> None:
    """With one grid for all exactly; with grids of their own up to the rounding of their shares."""
    constants = {"w": weights(24, 24), "b": weights(24), "ten": np.float32(10)}
    model = net(SHARED, inputs="float[N, 24] x", constants=constants)
    x = np.random.default_rng(4).normal(size=(60, 24)).astype(np.float32)
    layers, data = layers_of(model), data_of(model, x)
    ends = dict.fromkeys("xce", 4.0) if alike else {"x": 3.0, "c": 1.0, "e": 40.0}
    grids = {name: grid_for_range(-end, end, "uint8") for name, end in ends.items()}
    (whole,) = measure_moments(model, [layers], grids, data)
    apart = measure_moments(model, [[layer] for layer in layers], grids, data)
    for centred in ([], ["one", "last"]):
        wanted = sum(one.half(centred).dense() for one in apart)
        np.testing.assert_allclose(whole.half(centred).dense(), wanted, atol=(1e-9 if alike else 1e-4) * np.abs(wanted).max())


@pytest.mark.parametrize("wide", [False, True])
def test_sums_in_mapped_files_are_the_same(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """wide: with a grid whose sums leave int32."""
    monkeypatch.setattr(edgeq.numerics.rounding.exact_sums, "NARROW", 1 << (12 if wide else 31))
    wanted = measured(model_of())
    with within_memory(1):
        found = measured(model_of())
    assert wanted.products is not None
    assert found.products is not None
    assert not any(isinstance(part, np.memmap) for part in wanted.products.parts)
    assert all(isinstance(part, np.memmap) for part in found.products.parts)
    assert {part.dtype for part in found.products.parts} == {np.dtype(np.int64 if wide else np.int32)}
    assert np.array_equal(total(found), total(wanted))


def test_sums_of_the_largest_codes_are_exact() -> None:
    """255 x 255 x 256 rows is the last whole number that float32 counts to; the blocks must not be
    larger.
    """
    model = model_of("MatMul(r, w)", 7, 5)
    found = measured(model, np.full((12, 6, 7, 7), 50.0, np.float32), grid_for_range(0.0, 3.0, "uint8"))
    assert np.all(total(found) == 255 * 255 * found.rows)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_number_of_workers_changes_nothing(workers: int) -> None:
    wanted = measured(model_of())
    with using(Local(workers)):
        found = measured(model_of())
    assert np.array_equal(total(found), total(wanted))
    assert np.array_equal(found.layers["op"].sum, wanted.layers["op"].sum)


def test_the_seed_chooses_the_rows() -> None:
    many = np.random.default_rng(2).normal(size=(3, 6, 40, 40)).astype(np.float32)
    model = net("r = LeakyRelu(x) [op] y = Conv(r, w)", inputs="float[N, 6, 40, 40] x", constants={"w": weights(4, 6, 1, 1)})
    first, again, other = (measured(model, many, seed=seed) for seed in (0, 0, 1))
    assert first.rows < 3 * 1600
    assert np.array_equal(total(first), total(again))
    assert not np.array_equal(total(first), total(other))


@pytest.mark.parametrize("samples", [3, 40, 400])
@pytest.mark.parametrize("batch", ["N", "4", "1"])
def test_enough_rows_are_taken_however_many_samples_come_at_once(samples: int, batch: str) -> None:
    model = net(
        "r = LeakyRelu(x) [op] y = Conv<pads = [1, 1, 1, 1]>(r, w)",
        inputs=f"float[{batch}, 6, 16, 16] x",
        constants={"w": weights(4, 6, 3, 3)},
    )
    x = np.random.default_rng(3).normal(size=(samples + 1, 6, 16, 16)).astype(np.float32)
    found = measured(model, x)
    used = (samples + 1) // 4 * 4 if batch == "4" else samples + 1
    wanted = max(ROWS_PER_COLUMN * 54, LEAST_ROWS)
    assert min(wanted, used * 256) * 0.9 <= found.rows <= 4 * wanted


def test_a_layer_in_a_branch_never_taken_has_no_rows() -> None:
    text = """y = If (go) < then_branch = t () => (float[2, 3] tv) { a = Exp(x) [op] tv = MatMul(a, w) },
        else_branch = e () => (float[2, 3] ev) { ev = MatMul(x, w) } >"""
    model = net(text, inputs="float[2, 4] x, bool go", outputs="float[2, 3] y", constants={"w": weights(4, 3)})
    layer = next(layer for layer in layers_of(model) if layer.node == "op")
    data = open_dataset({"x": np.ones((3, 2, 4), np.float32), "go": np.zeros(3, bool)}, input_specs(model))
    assert measure_moments(model, [[layer]], {"a": GRID}, data)[0].rows == 0


def test_a_layer_whose_input_cannot_be_handed_out_has_no_rows() -> None:
    text = """y = Loop (n, , x) <body = b (int64 i, bool c, float[2, 4] p) => (bool c2, float[2, 4] q) { c2 = Identity(c)
        first = Equal(i, zero)
        q = If (first) < then_branch = t () => (float[2, 4] tv) { a = Softmax(p) [op] tv = MatMul(a, w) },
                         else_branch = e () => (float[2, 4] ev) { ev = Neg(p) } > }>"""
    constants = {"w": weights(4, 4), "n": np.int64(2), "zero": np.int64(0)}
    model = net(text, inputs="float[2, 4] x", outputs="float[2, 4] y", constants=constants)
    layer = next(layer for layer in layers_of(model) if layer.node == "op")
    data = open_dataset({"x": np.ones((3, 2, 4), np.float32)}, input_specs(model))
    assert measure_moments(model, [[layer]], {"a": GRID}, data)[0].rows == 0


@pytest.mark.parametrize(("columns", "most"), [(4, WAITING_LEAST), (512, 512 * 512), (9000, WAITING_MOST)])
def test_the_codes_that_wait_follow_the_size_of_the_matrix(columns: int, most: int) -> None:
    """Narrow layers would otherwise hold more codes than their matrices have entries."""
    layer = Layer("n", "x", 1, (columns,), 4, True)
    one = _Sum(layer, GRID, 4, 0, _Shared([layer], {"x": GRID}, 1 << 30))
    value = np.ones((64, columns), np.float32)
    held = []
    for sample in range(-(-most // value.size) + 1):
        one.add(value, sample)
        held.append(one.held)
    assert max(held) < most <= max(held) + value.size
