"""JoinGrids: readers of one value on several grids read one set of codes."""

from __future__ import annotations

import numpy as np

from edgeq.passes.foreign.changes import changes
from edgeq.passes.foreign.join_grids import JoinGrids
from edgeq.testing import check_pass
from tests.graph_text import lines, net

TWO = """m = Sigmoid(x)  a = QuantizeLinear(m, s, z)  f = DequantizeLinear(a, s, z)
         b = QuantizeLinear(m, t, z)  g = DequantizeLinear(b, t, z)  y = Add(f, g)"""
GRIDS = {"s": np.float32(0.002), "t": np.float32(0.004), "z": np.uint8(0)}


def test_the_widest_grid_is_requantized_to_the_others() -> None:
    after = check_pass(JoinGrids(), net(TWO, inputs="float[2, 4] x", constants=GRIDS), tolerance=None)
    assert sum(line.endswith("QuantizeLinear(m, m_pair_scale, m_pair_zero_point)") for line in lines(after)) == 1
    assert sum("QuantizeLinear(m_pair_real, s, z)" in line for line in lines(after)) == 1
    (change,) = changes(after)
    assert (change.kind, change.steps) == ("requantized", 1.0)


def test_a_float_reader_reads_the_codes_too() -> None:
    body = "m = Sigmoid(x)  a = QuantizeLinear(m, s, z)  f = DequantizeLinear(a, s, z)  r = Tanh(m)  y = Add(f, r)"
    after = check_pass(JoinGrids(), net(body, inputs="float[2, 4] x", constants={"s": GRIDS["s"], "z": GRIDS["z"]}), tolerance=None)
    assert "r = Tanh(m_pair_real)" in lines(after)


def test_one_grid_stays() -> None:
    body = "m = Sigmoid(x)  a = QuantizeLinear(m, s, z)  y = DequantizeLinear(a, s, z)"
    assert not JoinGrids()(net(body, inputs="float[2, 4] x", constants={"s": GRIDS["s"], "z": GRIDS["z"]})).modified


def test_codes_that_are_requantized_for_one_of_their_readers_stay() -> None:
    body = """a = QuantizeLinear(x, s, z)  f = DequantizeLinear(a, s, z)
        b = QuantizeLinear(f, t, z)  g = DequantizeLinear(b, t, z)  y = Add(f, g)"""
    assert not JoinGrids()(net(body, inputs="float[2, 4] x", constants=GRIDS)).modified


def test_an_input_is_joined_too() -> None:
    body = """a = QuantizeLinear(x, s, z)  f = DequantizeLinear(a, s, z)
        b = QuantizeLinear(x, t, z)  g = DequantizeLinear(b, t, z)  y = Add(f, g)"""
    after = check_pass(JoinGrids(), net(body, inputs="float[2, 4] x", constants=GRIDS), tolerance=None)
    assert sum("QuantizeLinear(x," in line for line in lines(after)) == 1
