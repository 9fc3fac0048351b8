"""Samples with infinities, NaN or no element: data where the float model makes sense of them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import calibrate, quantize
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.errors import BadData
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import AnyArray
from tests.graph_text import net, weights

INF = np.inf


def opened(model: ir.Model, **data: AnyArray) -> Dataset:
    return open_dataset(data, input_specs(model), float_model=model)


def read(data: Dataset) -> int:
    return sum(len(batch.samples) for batch in data.batches(4))


def masked() -> ir.Model:
    return net("a = Add(x, mask) y = Softmax(a)", inputs="float[N, 4] x, float[N, 4] mask", outputs="float[N, 4] y")


def test_an_infinite_mask_is_data() -> None:
    mask = np.zeros((6, 4), np.float32)
    mask[2:, 3] = -INF  # the first samples have none
    assert read(opened(masked(), x=np.ones((6, 4), np.float32), mask=mask)) == 6


def test_a_mask_that_hides_everything_is_damage() -> None:
    mask = np.zeros((6, 4), np.float32)
    mask[4] = -INF  # Softmax of nothing but -inf is NaN
    with pytest.raises(BadData, match="`mask` holds 0 NaN and 4 infinite") as caught:
        read(opened(masked(), x=np.ones((6, 4), np.float32), mask=mask))
    assert "sample 4" in caught.value.where


def test_an_infinity_that_reaches_the_output_is_damage() -> None:
    model = net("y = Neg(x)", inputs="float[N, 3] x", outputs="float[N, 3] y")
    with pytest.raises(BadData, match="1 infinite"):
        opened(model, x=np.array([[1, INF, 2]], np.float32))


def test_nan_is_data_where_the_model_asks_for_it() -> None:
    text = "n = IsNaN(x) y = Where(n, zero, x)"
    model = net(text, inputs="float[N, 3] x", outputs="float[N, 3] y", constants={"zero": 0.0})
    x = np.array([[1, np.nan, 2], [1, 2, 3]], np.float32)
    assert read(opened(model, x=x)) == 2
    with pytest.raises(BadData, match="1 infinite"):  # IsNaN does not catch it
        opened(model, x=np.array([[1, np.nan, INF]], np.float32))


def test_nan_that_an_operator_hides_is_damage() -> None:
    model = net("m = Greater(x, zero) y = Cast<to = 1>(m)", inputs="float[N, 3] x", outputs="float[N, 3] y", constants={"zero": 0.0})
    with pytest.raises(BadData, match="1 NaN"):
        opened(model, x=np.array([[1, np.nan, 2]], np.float32))


def test_without_a_float_model_they_are_refused() -> None:
    specs = input_specs(masked())
    with pytest.raises(BadData, match="infinite"):
        open_dataset({"x": np.ones((1, 4), np.float32), "mask": np.full((1, 4), -INF, np.float32)}, specs)


PAST = net(
    "h = Concat<axis = 1>(past, x) y = ReduceSum<keepdims = 0>(h, axes)",
    inputs="float[1, 2, 3] x, float[1, p, 3] past", outputs="float[1, 3] y", constants={"axes": np.array([1])},
)  # fmt: skip


def test_an_input_without_elements_is_data_beside_one_with_some() -> None:
    x, past = np.ones((4, 1, 2, 3), np.float32), np.zeros((4, 1, 0, 3), np.float32)
    assert read(opened(PAST, x=x, past=past)) == 4
    assert read(open_dataset({"x": x, "past": past}, input_specs(PAST))) == 4


def test_a_sample_without_any_element_is_data_where_the_model_runs_on_it() -> None:
    model = net("y = Neg(x)", inputs="float[N, L] x", outputs="float[N, L] y")
    assert read(opened(model, x=np.zeros((3, 0), np.float32))) == 3
    fussy = net("y = ReduceMax<keepdims = 0, axes = [1]>(x)", inputs="float[N, L] x", outputs="float[N] y")
    with pytest.raises(BadData, match="empty"):
        opened(fussy, x=np.zeros((3, 0), np.float32))


def test_a_model_without_inputs_has_one_sample() -> None:
    model = net("r = RandomNormal<shape = [2, 3], seed = 1.0>() y = Neg(r)", inputs="", outputs="float[2, 3] y")
    data = open_dataset({"x": np.ones((4, 2))}, input_specs(model))
    assert [(batch.samples, batch.feeds) for batch in data.batches(4)] == [(range(1), {})]
    assert "no inputs" in data.notes[0]


def test_a_masked_layer_is_quantized_and_judged() -> None:
    body = "a = MatMul(x, w) r = Relu(a) m = Add(r, mask) s = Softmax(m) y = MatMul(s, v)"
    model = net(
        body, inputs="float[4, 64] x, float[4, 64] mask", outputs="float[4, 64] y",
        constants={"w": weights(64, 64), "v": weights(64, 64, seed=1)},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    mask = np.where(rng.random((16, 4, 64)) < 0.3, -INF, 0).astype(np.float32)
    data = {"x": rng.normal(size=(16, 4, 64)).astype(np.float32), "mask": mask}
    made = quantize(model, data)
    assert made.report.fidelity is not None
    assert made.report.fidelity.sqnr_db > 25
    assert {node.runs for node in made.plan.nodes.values() if node.op_type == "MatMul"} == {"int8"}
    assert all(np.isfinite(grid.scale) for grid in made.plan.grids.values())
    assert all(np.isfinite(stats.low) and np.isfinite(stats.high) for stats in calibrate(model, data).tensors.values())
