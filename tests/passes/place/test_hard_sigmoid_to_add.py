"""HardSigmoidToAdd: an Add whose grid saturates computes the same codes as HardSigmoid; only where
it does.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.passes.place.hard_sigmoid_to_add import HardSigmoidToAdd
from edgeq.runtimes.ort import Optimize, open_session
from tests.graph_text import Constants, lines, net

X = np.linspace(-6, 6, 97, dtype=np.float32).reshape(1, 97)
GRID: Constants = {"s": 0.05, "z": np.uint8(128), "t": 1 / 255, "zero": np.uint8(0)}
TEXT = """q = QuantizeLinear(x, s, z) f = DequantizeLinear(q, s, z) [op] g = HardSigmoid<{slope}>(f)
    h = QuantizeLinear(g, t, zero) y = DequantizeLinear(h, t, zero)"""
STEP = HardSigmoidToAdd(frozenset({"op"}), "uint8")


def model_of(slope: str = "alpha = 0.16666667", constants: Constants | None = None, more: str = "") -> ir.Model:
    return net(TEXT.replace("{slope}", slope) + more, inputs="float[1, 97] x", constants={**GRID, **(constants or {})})


def run(model: ir.Model, optimize: Optimize = "off") -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    with open_session(model, optimize=optimize, threads=1) as session:
        return session.run({"x": X})[0]


@pytest.mark.parametrize("slope", ["alpha = 0.16666667", "alpha = 0.2, beta = 0.5", "alpha = 0.5, beta = 0.0", "alpha = 2.0, beta = 0.25"])
def test_computes_the_same(slope: str) -> None:
    model = model_of(slope)
    wanted = run(model)
    assert STEP(model).modified
    assert lines(model)[2:5] == [
        "op_shift_dequantized = DequantizeLinear(op_shift_quantized, op_shift_scale, op_shift_zero_point)",
        "g = Add(f, op_shift_dequantized)",
        "h = QuantizeLinear(g, op_output_scale, zero)",
    ]
    assert np.abs(run(model) - wanted).max() <= 1.01 / 255
    assert np.abs(run(model, "all") - wanted).max() <= 1.01 / 255
    assert run(model).max() == pytest.approx(1.0)
    assert not STEP(model).modified


@pytest.mark.parametrize(
    ("slope", "constants"),
    [
        ("alpha = -0.5", {}),
        ("alpha = 0.5, beta = -0.25", {}),
        ("alpha = 0.5", {"t": 2 / 255}),  # the grid goes on beyond 1
        ("alpha = 0.5", {"zero": np.uint8(10)}),  # and below 0
    ],
)
def test_leaves_alone_what_would_not_saturate(slope: str, constants: Constants) -> None:
    assert not STEP(model_of(slope, constants)).modified


def test_leaves_alone_what_the_plan_keeps_float_or_others_read() -> None:
    assert not HardSigmoidToAdd(frozenset(), "uint8")(model_of()).modified
    assert not STEP(net("[op] y = HardSigmoid(x)", inputs="float[1, 97] x")).modified
    read_twice = net(
        TEXT.replace("{slope}", "alpha = 0.5") + " u = Erf(g)", inputs="float[1, 97] x", outputs="float y, float u", constants=GRID
    )
    assert not STEP(read_twice).modified


def test_a_grid_that_ends_below_one_cuts_there() -> None:
    model = model_of("alpha = 0.5", {"t": 0.5 / 255})
    wanted = run(model)
    assert STEP(model).modified
    assert np.abs(run(model) - wanted).max() <= 1.01 * 0.5 / 255
