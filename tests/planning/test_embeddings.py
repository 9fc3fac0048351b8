"""Embedding tables: stored in int8 with a scale a column, looked up as integers."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.graph.read import nodes
from edgeq.integers.run import Interpreter
from edgeq.numerics.grid import dequantize
from edgeq.passes.prepare import computed_constants
from edgeq.planning.embeddings import LEAST_ELEMENTS, is_embedding
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import lines, net, weights

BODY = "e = Gather<axis = 0>(table, ids)  y = MatMul(e, w)"
TABLE = weights(500, 32) * np.geomspace(0.01, 10, 32, dtype=np.float32)
CONSTANTS = {"table": TABLE, "w": weights(32, 8)}
IDS = {"ids": np.random.default_rng(0).integers(0, 500, (16, 6))}


def model(rows: int = 500) -> ir.Model:
    return net(BODY, inputs="int64[N, 6] ids", constants={**CONSTANTS, "table": TABLE[:rows]})


def test_the_table_is_stored_in_int8_and_near() -> None:
    made = quantize(model(), IDS, prove=False)
    stored = made.model.graph.initializers["table_quantized"].const_value
    assert stored is not None
    assert stored.dtype == ir.DataType.INT8
    assert "table" not in made.model.graph.initializers
    onnx.checker.check_model(ir.to_proto(made.model))
    found = open_session(made.model, optimize="off").run({"ids": IDS["ids"][:4]}, None)[0]
    wanted = open_session(model(), optimize="off").run({"ids": IDS["ids"][:4]}, None)[0]
    assert np.square(found - wanted).sum() < np.square(wanted).sum() / 1000  # 30 dB


def test_rows_are_gathered_as_integers() -> None:
    assert any(line.startswith("e_rows = Gather(table_quantized") for line in lines(quantize(model(), IDS, prove=False).model))


@pytest.mark.parametrize(("rows", "worth"), [(LEAST_ELEMENTS // 32, True), (LEAST_ELEMENTS // 32 - 1, False)])
def test_a_table_is_worth_it_from_the_least_size_on(rows: int, worth: bool) -> None:
    lookup = next(node for node in nodes(model(rows)) if node.op_type == "Gather")
    assert is_embedding(lookup) is worth


def test_a_small_table_and_a_kept_one_stay_float() -> None:
    small = {"ids": IDS["ids"] % 100}
    assert "table" in quantize(model(100), small, prove=False).model.graph.initializers
    assert "table" in quantize(model(), IDS, recipe=Recipe(keep_float=("Gather",)), prove=False).model.graph.initializers


@pytest.mark.parametrize(
    "head",
    [
        "t = Transpose(table)",
        "s = Reshape(table, all)  r = Reshape(s, rows)  t = Transpose(r)",
        "i = Identity(table)  t = Transpose(i)",
    ],
)
def test_a_table_that_the_head_reads_transposed_serves_both_in_integers(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large it is: the limit of folding is on growth, and a weight does not grow."""
    monkeypatch.setattr(computed_constants, "MAX_ELEMENTS", 100)
    body = f"e = Gather(table, ids)  n = Tanh(e)  m = MatMul(n, mix)  h = Tanh(m)  {head}  y = MatMul(h, t)"
    constants = {"table": weights(400, 32), "mix": weights(32, 32, seed=1), "all": np.array([-1]), "rows": np.array([400, 32])}
    tied = net(body, inputs="int64[N, 16] ids", constants=constants)
    made = quantize(tied, {"ids": np.random.default_rng(0).integers(0, 400, (24, 16))}, recipe=Recipe(effort="fast"))
    assert made.report.placement is not None
    assert made.report.placement.macs_int8_pct == 100
    assert {node.name: node.runs_as for node in made.report.placement.nodes}["Gather_0"] == "int8"
    # two copies in 8 bits, of which each is a quarter of the float one, and some metadata
    assert made.report.size.int8_bytes < 0.75 * 4 * 400 * 32


@pytest.mark.parametrize("rows", [500, 20])
def test_a_target_of_integers_has_the_table_on_the_grid_of_its_rows(rows: int) -> None:
    """A table of any size: there is no float to look rows up in."""
    made = quantize(model(rows), {"ids": IDS["ids"] % 4}, target="mcu_tflite", recipe=Recipe(effort="fast"), prove=False)
    grid, stored = made.plan.grids["e"].params, made.plan.weights["Gather_0:0"].params
    assert (grid.scale, grid.zero_point) == (stored.scale, stored.zero_point)
    step = float(grid.scale)  # to a step, every row lies within, seen or not
    assert float(grid.low) <= TABLE[:rows].min() + step and float(grid.high) >= TABLE[:rows].max() - step
    assert lines(made.model)[0].startswith("e_quantized = Gather(table_quantized, ids)")


def test_rows_of_two_tables_are_joined_on_one_grid_or_requantized() -> None:
    body = "e = Gather(table, ids)  f = Gather(other, ids)  c = Concat<axis = 2>(e, f)  r = Relu(e)  y = MatMul(c, w)  z = MatMul(r, v)"
    constants = {"table": TABLE[:50], "other": weights(50, 8), "w": weights(40, 8), "v": weights(32, 8)}
    float_model = net(body, inputs="int64[1, 6] ids", outputs="float y, float z", constants=constants)
    made = quantize(float_model, {"ids": IDS["ids"] % 50}, target="mcu_tflite", recipe=Recipe(effort="fast"), prove=False)
    found = Interpreter(made.model).run({"ids": IDS["ids"][:1] % 50}).outputs["y"]
    wanted = open_session(float_model, optimize="off").run({"ids": IDS["ids"][:1] % 50}, None)[0]
    grid = Interpreter(made.model).output_grids["y"]
    assert np.square(dequantize(found, grid) - wanted).sum() < np.square(wanted).sum() / 100
