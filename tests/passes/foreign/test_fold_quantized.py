"""FoldQuantized: constants that are quantized at run time become their codes."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.read import constant
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.foreign.fold_quantized import FoldQuantized
from edgeq.testing import check_pass
from tests.graph_text import lines, net, weights

BODY = "q = QuantizeLinear<axis = 1>(w, s, z)  f = DequantizeLinear<axis = 1>(q, s, z)  y = MatMul(x, f)"
SCALES = np.linspace(0.01, 0.05, 6, dtype=np.float32)


@pytest.mark.parametrize(
    ("scale", "zero"),
    [(np.float32(0.02), np.int8(0)), (np.float32(0.02), np.uint8(128)), (SCALES, np.zeros(6, np.int8)), (SCALES, np.full(6, 9, np.uint8))],
    ids=["int8", "uint8", "channels", "asymmetric"],
)
def test_a_weight_is_stored_as_codes(scale: AnyArray, zero: AnyArray) -> None:
    model = net(BODY, inputs="float[2, 4] x", constants={"w": weights(4, 6), "s": scale, "z": zero})
    after = check_pass(FoldQuantized(), model, tolerance=0.0)
    assert lines(after) == ["f = DequantizeLinear(q_folded, s, z)", "y = MatMul(x, f)"]
    assert "w" not in after.graph.initializers
    codes = constant(after.graph.initializers["q_folded"])
    assert codes is not None and codes.dtype == zero.dtype


def test_what_is_known_at_run_time_only_stays() -> None:
    body = "q = QuantizeLinear(x, s, z)  y = DequantizeLinear(q, s, z)"
    assert not FoldQuantized()(net(body, inputs="float[2, 4] x", constants={"s": 0.02, "z": np.int8(0)})).modified
