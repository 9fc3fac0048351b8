"""measure_errors: the error at the outputs, not at the value; each row by its own size; the same
for any number of workers.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.grid_errors import GridOption, Reader, Site, measure_errors
from edgeq.data.open import open_dataset
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.graph.find_layer import layer_of
from edgeq.graph.read import constant
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32
from edgeq.numerics.grid import QuantParams, grid_for_range
from edgeq.progress import Silent
from tests.graph_text import net, weights


def grid(low: float, high: float) -> QuantParams:
    return grid_for_range(low, high, "uint8")


def errors_of(model: ir.Model, x: F32, *candidates: GridOption) -> F32:
    node = model.graph[0]
    layer = layer_of(node)
    assert layer is not None
    reader = Reader(layer, layer.weight_rows(np.asarray(constant(node.inputs[1]), np.float32)), np.zeros(len(candidates)))
    data = open_dataset({"x": x}, input_specs(model))
    return measure_errors(model, [Site("x", candidates, (reader,))], data, 0, Silent())["x"]  # type: ignore[return-value]


def matmul(weight: F32) -> ir.Model:
    return net("y = MatMul(x, w)", inputs=f"float[N, 4, {len(weight)}] x", constants={"w": weight})


def test_a_channel_that_no_weight_reads_does_not_count() -> None:
    weight = weights(6, 3)
    weight[0] = 0
    x = np.random.default_rng(0).normal(size=(20, 4, 6)).astype(np.float32)
    x[..., 0] *= 100
    wide, narrow = errors_of(matmul(weight), x, GridOption("wide", grid(x.min(), x.max())), GridOption("narrow", grid(-4, 4)))
    assert narrow < 0.01 * wide


def test_outlier_rows_do_not_decide_alone() -> None:
    x = np.random.default_rng(0).normal(size=(20, 4, 6)).astype(np.float32)
    x[::5, 0] *= 200
    wide, narrow = errors_of(matmul(weights(6, 3)), x, GridOption("wide", grid(x.min(), x.max())), GridOption("narrow", grid(-4, 4)))
    assert narrow < wide


def test_a_measured_grid_follows_each_sample_and_factors_undo_outlier_channels() -> None:
    x = np.random.default_rng(0).normal(size=(20, 4, 6)).astype(np.float32)
    x *= np.geomspace(0.01, 10, 20, dtype=np.float32)[:, None, None]
    x[..., 2] *= 64
    weight = weights(6, 3)
    weight[2] /= 64
    factors = np.array([1, 1, 64, 1, 1, 1], np.float32)
    fixed, ours, both = errors_of(
        matmul(weight), x, GridOption("fixed", grid(x.min(), x.max())), GridOption("own", None), GridOption("both", None, factors)
    )
    assert both < 0.5 * ours
    assert ours < 0.1 * fixed


def test_it_is_the_error_of_the_patches_for_a_convolution() -> None:
    model = net("y = Conv<pads = [1, 1, 1, 1]>(x, w)", inputs="float[N, 2, 5, 5] x", constants={"w": weights(3, 2, 3, 3)})
    x = np.random.default_rng(0).normal(size=(8, 2, 5, 5)).astype(np.float32)
    fine, coarse = errors_of(model, x, GridOption("fine", grid(-4, 4)), GridOption("coarse", grid(-40, 40)))
    assert fine == pytest.approx(coarse / 100, rel=0.5)


def test_the_number_of_workers_changes_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4, 6)).astype(np.float32)
    found = []
    for workers in (1, 3):
        with using(Local(workers)):
            found.append(errors_of(matmul(weights(6, 3)), x, GridOption("a", grid(-1, 1)), GridOption("b", None)).tobytes())
    assert found[0] == found[1]
