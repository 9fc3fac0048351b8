"""GatherIntegerRows: the rows of a stored table are looked up as integers, then dequantized."""

from __future__ import annotations

import numpy as np

from edgeq.passes.place.gather_integer_rows import GatherIntegerRows
from tests.graph_text import lines, net

GRID = {"q": np.ones((5, 3), np.int8), "s": np.array([1, 2, 3], np.float32), "z": np.zeros(3, np.int8)}


def test_the_pass_swaps_gather_and_dequantize() -> None:
    found = net("t = DequantizeLinear<axis = 1>(q, s, z)  y = Gather<axis = 0>(t, ids)", inputs="int64[2, 4] ids", constants=GRID)
    assert GatherIntegerRows()(found).modified
    assert lines(found) == ["y_rows = Gather(q, ids)", "y_whole = Cast(y_rows)", "y = Mul(y_whole, s)"]
    assert not GatherIntegerRows()(found).modified


def test_a_table_that_others_read_is_not_touched() -> None:
    body = "t = DequantizeLinear<axis = 1>(q, s, z)  u = Transpose(t)  g = Gather<axis = 0>(t, ids)  y = MatMul(g, u)"
    assert not GatherIntegerRows()(net(body, inputs="int64[2, 4] ids", constants=GRID)).modified
