"""OneScale: scales per channel between convolutions move into the scales of their weights."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.code_grids import grid_of
from edgeq.graph.read import constant
from edgeq.passes.foreign.one_scale import OneScale
from edgeq.testing import check_pass
from tests.graph_text import net

RANDOM = np.random.default_rng(2)
CODES = RANDOM.integers(-100, 100, (4, 3, 3, 3)).astype(np.int8)
CONSTANTS = {
    "w": CODES, "ws": np.linspace(0.001, 0.003, 4, dtype=np.float32), "wz": np.zeros(4, np.int8), "b": np.float32([0.3, -0.2, 0.1, 0]),
    "s": np.float32([0.01, 0.02, 0.03, 0.04]), "z": np.full(4, 100, np.uint8),
    "v": RANDOM.integers(-100, 100, (4, 1, 3, 3)).astype(np.int8), "vs": np.float32(0.004), "vz": np.int8(0),
}  # fmt: skip
BODY = """g = DequantizeLinear<axis = 0>(w, ws, wz)  c = Conv(x, g, b)  {between}
          q = QuantizeLinear<axis = 1>(r, s, z)  f = DequantizeLinear<axis = 1>(q, s, z)  k = DequantizeLinear(v, vs, vz)
          y = Conv<group = {groups}>(f, k)"""


def model(between: str = "r = Relu(c)", groups: int = 4, **other: np.ndarray) -> ir.Model:
    return net(BODY.format(between=between, groups=groups), inputs="float[1, 3, 8, 8] x", constants={**CONSTANTS, **other})


@pytest.mark.parametrize("between", ["r = Relu(c)", "r = Identity(c)"])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_every_number_and_every_code_stays(between: str, multiplier: int) -> None:
    kernels = np.repeat(CONSTANTS["v"], multiplier, axis=0)
    found = model(between, v=kernels) if between == "r = Relu(c)" else _without_identity(kernels)
    after = check_pass(OneScale(), found, tolerance=1e-4)
    quantize = next(node for node in after.graph if node.op_type == "QuantizeLinear")
    grid = grid_of(quantize)
    assert grid is not None
    assert (float(grid.scale), int(grid.zero_point)) == (pytest.approx(0.04), 100)
    stored = [constant(node.inputs[0]) for node in after.graph if node.op_type == "DequantizeLinear"]
    for codes in (CODES, kernels):
        assert any(array is not None and np.array_equal(array, codes) for array in stored)


def _without_identity(kernels: np.ndarray) -> ir.Model:
    body = BODY.format(between="", groups=4).replace("(r, s, z)", "(c, s, z)")
    return net(body, inputs="float[1, 3, 8, 8] x", constants={**CONSTANTS, "v": kernels})


@pytest.mark.parametrize(
    ("words", "other"),
    [
        ({"between": "l = Constant<value_float = 0.0>()  h = Constant<value_float = 6.0>()  r = Clip(c, l, h)"}, {}),
        ({"groups": 1}, {"v": RANDOM.integers(-100, 100, (5, 4, 3, 3)).astype(np.int8)}),
        ({}, {"z": np.uint8([100, 100, 100, 90])}),
    ],
    ids=["clip", "not depthwise", "zero points"],
)
def test_other_values_keep_their_scales(words: dict[str, str | int], other: dict[str, np.ndarray]) -> None:
    assert not OneScale()(model(**words, **other)).modified  # type: ignore[arg-type]
