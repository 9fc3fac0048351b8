"""FoldMovedWeights: the codes of a weight are moved instead of its real numbers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.read import attribute_int
from edgeq.passes.foreign.fold_moved_weights import FoldMovedWeights
from edgeq.testing import check_pass
from tests.graph_text import lines, net

CODES = np.arange(-12, 12, dtype=np.int8).reshape(6, 4)
MANY = {"s": np.linspace(0.01, 0.05, 6, dtype=np.float32), "z": np.zeros(6, np.int8)}
ONE = {"s": np.float32(0.02), "z": np.int8(3)}


def test_a_transposed_matrix_keeps_a_scale_for_each_output() -> None:
    body = "f = DequantizeLinear<axis = 0>(w, s, z)  t = Transpose(f)  y = MatMul(x, t)"
    after = check_pass(FoldMovedWeights(), net(body, inputs="float[2, 4] x", constants={"w": CODES, **MANY}), tolerance=0.0)
    assert lines(after)[-1] == "y = MatMul(x, t_dequantized)"
    (up, _) = after.graph
    assert attribute_int(up, "axis", 0) == 1


@pytest.mark.parametrize("move", ["t = Reshape(f, d)", "t = Unsqueeze(f, o)"])
def test_a_reshape_is_folded_where_there_is_one_scale(move: str) -> None:
    constants = {"w": CODES, **ONE, "d": np.array([1, 6, 4]), "o": np.array([0])}
    used = {name: array for name, array in constants.items() if name in "wsz" or f", {name})" in move}
    body = f"f = DequantizeLinear(w, s, z)  {move}  y = Add(x, t)"
    after = check_pass(FoldMovedWeights(), net(body, inputs="float[2, 6, 4] x", constants=used), tolerance=0.0)
    assert [node.op_type for node in after.graph] == ["DequantizeLinear", "Add"]


def test_a_reshape_of_many_scales_and_a_moved_activation_stay() -> None:
    many = "f = DequantizeLinear<axis = 0>(w, s, z)  t = Reshape(f, d)  y = Add(x, t)"
    model = net(many, inputs="float[2, 3, 8] x", constants={"w": CODES, **MANY, "d": np.array([3, 8])})
    assert not FoldMovedWeights()(model).modified
    moved = "q = QuantizeLinear(x, s, z)  f = DequantizeLinear(q, s, z)  y = Transpose(f)"
    assert not FoldMovedWeights()(net(moved, inputs="float[2, 4] x", constants=ONE)).modified
