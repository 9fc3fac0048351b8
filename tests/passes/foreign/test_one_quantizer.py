"""OneQuantizer: equal QuantizeLinear nodes of a value become one."""

from __future__ import annotations

import numpy as np

from edgeq.passes.foreign.one_quantizer import OneQuantizer
from edgeq.testing import check_pass
from tests.graph_text import lines, net

BODY = """a = QuantizeLinear(x, s, z)  f = DequantizeLinear(a, s, z)
          b = QuantizeLinear(x, t, u)  g = DequantizeLinear(b, t, u)  y = Add(f, g)"""


def test_equal_grids_of_different_constants_are_one() -> None:
    same = {"s": np.float32(0.1), "t": np.float32(0.1), "z": np.uint8(3), "u": np.uint8(3)}
    after = check_pass(OneQuantizer(), net(BODY, inputs="float[2, 4] x", constants=same), tolerance=0.0)
    assert [line for line in lines(after) if " = Quant" in line] == ["a = QuantizeLinear(x, s, z)"]
    assert "g = DequantizeLinear(a, t, u)" in lines(after)


def test_other_grids_stay_apart() -> None:
    for other in (
        {"t": np.float32(0.2), "u": np.uint8(3)},
        {"t": np.float32(0.1), "u": np.uint8(4)},
        {"t": np.float32(0.1), "u": np.int8(3)},
    ):
        model = net(BODY, inputs="float[2, 4] x", constants={"s": np.float32(0.1), "z": np.uint8(3), **other})
        assert not OneQuantizer()(model).modified
