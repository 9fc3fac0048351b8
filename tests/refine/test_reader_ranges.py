"""Ranges of what only a bounded function reads, and of model outputs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import Quantized, quantize
from edgeq.io.load import load_proto
from edgeq.numerics.arrays import F32
from edgeq.numerics.grid import grid_for_range
from edgeq.refine.by_readers.bounded import bounded_readers
from edgeq.refine.by_readers.ranges import best_grid
from edgeq.schema.grids import GridPlan, grid_plan
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.small_models import Weights, text_model

MCU = load_target("mcu_tflite")
HEAD = """<ir_version: 8, opset_import: ["": 14]>
net (float[N, 8] x) => (float[N, 4] y) {
  [fc] l = Gemm(x, k)
  [last] y = LAST(l)
}"""


def head(last: str, spread: float) -> Quantized:
    """Logits whose differences are mostly far larger than what the last operator can show."""
    rng = np.random.default_rng(0)
    weights: Weights = {"k": (spread * rng.normal(size=(8, 4))).astype(np.float32)}
    data = {"x": rng.normal(size=(64, 8)).astype(np.float32)}
    return quantize(text_model(HEAD.replace("LAST", last), weights), data, target=MCU, prove=False)


@pytest.mark.parametrize("last", ["Softmax<axis = 1>", "Sigmoid", "Tanh", "HardSigmoid<alpha = 0.2, beta = 0.5>"])
def test_codes_are_spent_where_the_function_is_not_flat(last: str) -> None:
    result = head(last, 20.0)
    grid = result.plan.grids["l"]
    assert grid.rule.startswith("by ")
    assert "less error after" in grid.reason
    ends = sorted([-float(grid.params.low), float(grid.params.high)])
    assert ends[0] < 70 if last.startswith("Softmax") else ends[1] < 40


def test_a_function_that_is_hardly_bent_changes_nothing() -> None:
    assert head("Tanh", 0.01).plan.grids["l"].rule == "mse"


def test_only_rule_mse_and_free_scales_are_asked() -> None:
    rng = np.random.default_rng(0)
    model = text_model(HEAD.replace("LAST", "Sigmoid"), {"k": (5 * rng.normal(size=(8, 4))).astype(np.float32)})
    data = {"x": rng.normal(size=(64, 8)).astype(np.float32)}
    assert quantize(model, data, target=MCU, recipe=Recipe(rule="minmax"), prove=False).plan.grids["l"].rule == "minmax"
    assert quantize(model, data, target="npu_pow2", prove=False).plan.grids["l"].rule == "mse"


def test_the_best_ends_are_found_for_two_classes() -> None:
    """Beyond +-4 two classes are decided to 1/2000: an exhaustive search over both ends finds
    nothing much better.
    """
    z = np.random.default_rng(2).uniform(-25, 25, 4000).astype(np.float32)
    rows: F32 = np.stack([z, -z], 1)
    reader = bounded_readers(*softmax_alone())[0]
    own = grid_plan(grid_for_range(-25, 25, "int8"), "mse", "all of it")
    found = best_grid(own, reader, rows, MCU.activations)
    assert 2 < float(found.params.high) < 6
    assert error(found, rows) < error(own, rows) / 20
    every = [grid_plan(grid_for_range(-low, high, "int8"), "", "") for low in np.arange(2.0, 7, 0.5) for high in np.arange(2.0, 7, 0.5)]
    assert error(found, rows) < 1.3 * min(error(one, rows) for one in every)


def softmax_alone() -> tuple[ir.Model, Plan]:
    weights: Weights = {"k": np.ones((8, 4), np.float32)}
    return load_proto(text_model(HEAD.replace("LAST", "Softmax<axis = 1>"), weights)).model, head("Softmax<axis = 1>", 1.0).plan


def error(grid: GridPlan, rows: F32) -> float:
    codes = np.clip(np.rint(rows / grid.scale) + grid.zero_point, -128, 127)
    back = (codes - grid.zero_point) * grid.scale
    return float(np.mean((1 / (1 + np.exp(back[:, 1] - back[:, 0])) - 1 / (1 + np.exp(rows[:, 1] - rows[:, 0]))) ** 2))


def test_outputs_of_the_model_are_not_clipped() -> None:
    """Rare large values are clipped by rule mse inside a network, never where it hands them out."""
    rng = np.random.default_rng(3)
    x = rng.laplace(size=(2000, 8)).astype(np.float32)
    x *= np.abs(x)
    text = """<ir_version: 8, opset_import: ["": 14]>
    net (float[N, 8] x) => (float[N, 4] y) { [a] h = Gemm(x, k) [b] y = Gemm(h, v) }"""
    weights: Weights = {"k": rng.normal(size=(8, 8)).astype(np.float32), "v": rng.normal(size=(8, 4)).astype(np.float32)}
    hidden = x @ weights["k"]
    result = hidden @ weights["v"]

    def highs(rule: str) -> tuple[float, float]:
        plan = quantize(
            text_model(text, weights),
            {"x": x},
            target=MCU,
            recipe=Recipe.model_validate({"rule": rule, "effort": "fast", "percentile": 99.0}),
            prove=False,
        ).plan
        return float(plan.grids["h"].params.high / hidden.max()), float(plan.grids["y"].params.high / result.max())

    inner, outer = highs("mse")
    assert inner < 0.97
    assert outer == pytest.approx(1, abs=0.02)
    assert highs("percentile")[1] < 0.95
