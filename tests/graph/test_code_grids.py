"""The grids of codes that neither a QuantizeLinear nor a DequantizeLinear touches."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.code_grids import known_grids
from tests.graph_text import Constants, net

TABLE = {"k": np.arange(256).astype(np.uint8).view(np.int8), "s": np.float32(0.5), "z": np.int8(3), "p": np.array([1, 2])}


@pytest.mark.parametrize(
    ("moved", "constants"),
    [
        ("c = Concat<axis = 1>(x, g)", {}),
        ("t = Transpose<perm = [1, 0]>(g) c = Concat<axis = 0>(t, t)", {}),
        ("c = Reshape(g, p)", {"p": np.array([2, 1])}),
        ("c = Max(g, x)", {}),
    ],
)
def test_codes_have_the_grid_of_what_they_are_moved_to(moved: str, constants: Constants) -> None:
    body = f"i = Cast<to = 6>(x) g = Gather(k, i) {moved} y = DequantizeLinear(c, s, z)"
    model = net(body, inputs="int8[1, 2] x", constants={**TABLE, **constants})
    (g,) = (value for node in model.graph for value in node.outputs if value.name == "g")
    found = known_grids(model)[g]
    assert (float(found.scale), int(found.zero_point)) == (0.5, 3)


def test_numbers_computed_of_codes_have_no_grid_of_theirs() -> None:
    body = "f = DequantizeLinear(x, s, z) i = Cast<to = 6>(x) g = Gather(k, i) h = BitwiseAnd(g, x) y = DequantizeLinear(h, s, z)"
    model = net(body, inputs="int8[1, 2] x", constants=TABLE, opset=18)
    (g,) = (value for node in model.graph for value in node.outputs if value.name == "g")
    assert g not in known_grids(model)
