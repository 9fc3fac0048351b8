"""Output grids of means: from the positions averaged, whatever the output is declared as."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.planning.exact.grids import _positions
from edgeq.schema.recipe import Recipe
from tests.small_models import text_model

W = {"w": np.random.default_rng(1).normal(size=(8, 3, 3, 3)).astype(np.float32) / 5}


@pytest.mark.parametrize("shape", ["N, 8, 1, 1", "N, ch, h, w"])
@pytest.mark.parametrize("pool", ["GlobalAveragePool(r)", "ReduceMean<axes = [2, 3]>(r)"])
def test_a_pool_with_an_output_of_unknown_sizes_is_quantized(shape: str, pool: str) -> None:
    text = f"""<ir_version: 8, opset_import: ["": 17]> net (float[N, 3, 12, 12] x) => (float[{shape}] y)
      {{ c = Conv<pads = [1, 1, 1, 1]>(x, w) r = Relu(c) y = {pool} }}"""
    data = {"x": np.random.default_rng(0).normal(size=(16, 3, 12, 12)).astype(np.float32)}
    made = quantize(text_model(text, W), data, target="mcu_tflite", recipe=Recipe(effort="fast"), prove=True)
    assert made.report.fidelity is not None
    assert made.report.fidelity.sqnr_db > 30


def test_a_pool_over_an_unknown_size_keeps_its_own_grid() -> None:
    """How many positions are averaged is not known, so no factor can be made exact for them."""
    text = """<ir_version: 8, opset_import: ["": 17]> net (float[N, 3, H, W] x) => (float[N, 8, 1, 1] y)
      { c = Conv<pads = [1, 1, 1, 1]>(x, w) r = Relu(c) y = GlobalAveragePool(r) }"""
    data = {"x": np.random.default_rng(0).normal(size=(16, 3, 6, 10)).astype(np.float32)}
    made = quantize(text_model(text, W), data, target="npu_int8", recipe=Recipe(effort="fast"))
    assert made.report.fidelity is not None
    assert made.report.fidelity.sqnr_db > 30


@pytest.mark.parametrize(("shape", "count"), [(["N", "C", 4, 5], 20), ([1, 8, 7], 7), ([1, 8, "L"], None), ([1, 8], None), (None, None)])
def test_positions(shape: list[int | str] | None, count: int | None) -> None:
    assert _positions(ir.Value(name="x", shape=None if shape is None else ir.Shape(shape))) == count
