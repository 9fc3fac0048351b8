"""OwnGrids: kernels with a grid of their own are requantized behind."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.numerics.grid import QuantParams
from edgeq.passes.foreign.changes import changes
from edgeq.passes.foreign.own_grids import OwnGrids
from edgeq.runtimes.ort import open_session
from edgeq.testing import check_pass
from tests.graph_text import net

FIXED = {"Softmax": QuantParams("int8", np.asarray(1 / 256, np.float32), np.asarray(-128, np.int32))}
BODY = """q = QuantizeLinear(x, s, z)  f = DequantizeLinear(q, s, z)  m = {op}(f)
          h = QuantizeLinear(m, t, u)  y = DequantizeLinear(h, t, u)"""
POOL = "AveragePool<kernel_shape = [2, 2]>"


def model(op: str, scale: float, zero: np.generic, inputs: str = "float[1, 4, 8, 8] x") -> ir.Model:
    return net(BODY.format(op=op), inputs=inputs, constants={"s": 0.05, "z": np.uint8(100), "t": np.float32(scale), "u": zero})


@pytest.mark.parametrize(
    ("op", "scale"), [("Softmax", 1 / 255), ("Softmax", 1 / 100), (POOL, 0.08), (POOL, 0.05)], ids=["255", "100", "pool", "same scale"]
)
def test_a_coarser_grid_behind_it_costs_at_most_one_step(op: str, scale: float) -> None:
    found = model(op, scale, np.uint8(0) if op == "Softmax" else np.uint8(90))
    feeds = {"x": np.random.default_rng(0).normal(0, 3, (1, 4, 8, 8)).astype(np.float32)}
    with open_session(found, optimize="off") as session:
        (wanted,) = session.run(feeds)
    after = check_pass(OwnGrids(FIXED, {"AveragePool"}), found, tolerance=None)
    assert [node.op_type for node in after.graph].count("QuantizeLinear") == 3
    with open_session(after, optimize="off") as session:
        (made,) = session.run(feeds)
    assert np.rint(np.abs(made - wanted) / scale).max() <= 1
    (change,) = changes(after)
    assert change.kind == "requantized"
    assert change.steps <= 0.5


@pytest.mark.parametrize(("op", "scale"), [("Softmax", 1 / 300), (POOL, 0.03)])
def test_a_finer_grid_behind_it_is_met_on_request_only(op: str, scale: float) -> None:
    found = model(op, scale, np.uint8(0))
    assert not OwnGrids(FIXED, {"AveragePool"})(found.clone()).modified
    after = check_pass(OwnGrids(FIXED, {"AveragePool"}, rounding=True), found, tolerance=None)
    assert changes(after)[0].steps > 0.5


@pytest.mark.parametrize(("zero", "scale"), [(np.int8(-128), 1 / 256), (np.uint8(0), 1 / 256)], ids=["int8", "uint8"])
def test_the_own_grid_stays_in_both_types(zero: np.generic, scale: float) -> None:
    assert not OwnGrids(FIXED, rounding=True)(model("Softmax", scale, zero)).modified


def test_a_float_output_gets_the_own_grid_on_request_only() -> None:
    found = net("q = QuantizeLinear(x, s, z)  f = DequantizeLinear(q, s, z)  y = Softmax(f)", inputs="float[2, 4] x",
                constants={"s": 0.05, "z": np.uint8(100)})  # fmt: skip
    assert not OwnGrids(FIXED)(found.clone()).modified
    after = check_pass(OwnGrids(FIXED, rounding=True), found, tolerance=None)
    assert after.graph.outputs[0].name == "y"
    assert [node.op_type for node in after.graph][-2:] == ["QuantizeLinear", "DequantizeLinear"]
