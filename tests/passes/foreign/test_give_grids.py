"""GiveGrids: values that were left in float get a grid."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.numerics.grid import QuantParams
from edgeq.passes.foreign.changes import changes
from edgeq.passes.foreign.give_grids import GiveGrids, without_grid
from edgeq.testing import check_pass
from tests.graph_text import net, weights

BODY = """q = QuantizeLinear(x, s, z)  f = DequantizeLinear(q, s, z)
          c = MatMul(f, w)  r = Relu(c)  t = Transpose(r)  y = Sigmoid(t)"""
GRID = QuantParams("int8", np.asarray(0.02, np.float32), np.asarray(-128, np.int32))


def model() -> ir.Model:
    return net(BODY, inputs="float[2, 4] x", constants={"s": np.float32(0.02), "z": np.uint8(120), "w": weights(4, 6)})


def test_values_that_compute_need_a_grid_and_movement_and_inner_clamps_do_not() -> None:
    assert [value.name for value in without_grid(model())] == ["r", "y"]


def test_the_named_values_get_one_and_the_output_keeps_its_name() -> None:
    after = check_pass(GiveGrids({"r": GRID, "y": GRID}), model(), tolerance=None)
    assert [value.name for value in after.graph.outputs] == ["y"]
    assert without_grid(after) == []
    assert [change.kind for change in changes(after)] == ["grid_measured", "grid_measured"]


def test_an_input_that_a_layer_reads_as_floats_needs_one() -> None:
    found = net("y = MatMul(x, w)", inputs="float[2, 4] x", constants={"w": weights(4, 6)})
    assert [value.name for value in without_grid(found)] == ["x", "y"]
    after = check_pass(GiveGrids({"x": GRID}), found, tolerance=None)
    assert [node.op_type for node in after.graph] == ["QuantizeLinear", "DequantizeLinear", "MatMul"]
