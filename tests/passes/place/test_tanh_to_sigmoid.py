"""TanhToSigmoid: every code of a Tanh, from an integer Sigmoid of doubled numbers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.passes.place.tanh_to_sigmoid import TanhToSigmoid
from edgeq.proof.proof import prove_placement
from edgeq.runtimes.ort import Optimize, open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import Constants, lines, net

STEP = TanhToSigmoid(frozenset({"op"}))
TEXT = (
    "q = QuantizeLinear(x, s, z) f = DequantizeLinear(q, s, z) [op] g = Tanh(f) h = QuantizeLinear(g, t, m) y = DequantizeLinear(h, t, m)"
)


def every_code(scale: float, zero: np.uint8 | np.int8, constants: Constants | None = None, more: str = "") -> ir.Model:
    middle = np.array(128, np.uint8) if isinstance(zero, np.uint8) else np.array(0, np.int8)
    grids: Constants = {"s": scale, "z": zero, "t": 1 / 128, "m": middle}
    outputs = "float y, float u" if more else "float y"
    return net(TEXT + more, inputs="float[1, 256] x", outputs=outputs, constants={**grids, **(constants or {})})


def run(model: ir.Model, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]], optimize: Optimize) -> list[np.ndarray]:  # type: ignore[type-arg]
    with open_session(model, optimize=optimize, threads=1) as session:
        return session.run({"x": x})


@pytest.mark.parametrize("scale", [0.003, 0.02, 0.11])
@pytest.mark.parametrize("zero", [np.uint8(128), np.uint8(0), np.int8(-3)])
def test_every_code_stays_what_it_is(scale: float, zero: np.uint8 | np.int8) -> None:
    limits = np.iinfo(zero.dtype)
    x = ((np.arange(limits.min, limits.max + 1) - int(zero)) * scale).astype(np.float32)[None]
    model = every_code(scale, zero)
    (wanted,) = run(model, x, "off")
    assert STEP(model).modified
    assert [line.split(" = ")[1].split("(")[0] for line in lines(model)] == [
        "QuantizeLinear", "DequantizeLinear", "Sigmoid", "QuantizeLinear", "DequantizeLinear",
    ]  # fmt: skip
    for optimize in ("off", "all"):
        (found,) = run(model, x, optimize)
        assert np.abs(found - wanted).max() <= 1.001 / 128  # where a half is rounded, float32 may tell otherwise
        assert (found != wanted).mean() < 0.02
    assert not STEP(model).modified


def test_other_readers_keep_the_numbers_that_they_read() -> None:
    model = every_code(0.02, np.uint8(128), more=" u = Neg(f)")
    x = np.linspace(-2, 2, 256, dtype=np.float32)[None]
    wanted = run(model, x, "off")[1]
    assert STEP(model).modified
    np.testing.assert_array_equal(run(model, x, "off")[1], wanted)


@pytest.mark.parametrize("constants", [{"t": 1 / 100}, {"m": np.uint8(127)}, {"s": np.full(1, 0.02, np.float32), "m": np.uint8(0)}])
def test_leaves_alone_what_is_on_another_grid(constants: Constants) -> None:
    assert not STEP(every_code(0.02, np.uint8(128), constants)).modified


def test_leaves_alone_what_the_plan_does_not_name() -> None:
    assert not TanhToSigmoid(frozenset({"other"}))(every_code(0.02, np.uint8(128))).modified


@pytest.mark.parametrize(("gain", "runs"), [(2.0, "int8"), (0.02, "float")])
def test_a_tanh_of_small_numbers_keeps_its_float_kernel_and_a_fine_grid(gain: float, runs: str) -> None:
    """The only grid of the integer kernel would leave it few codes."""
    rng = np.random.default_rng(0)
    w, v = (rng.normal(size=shape).astype(np.float32) / 3 for shape in ((16, 8, 3, 3), (4, 16, 3, 3)))
    model = net("c = Conv(x, w) [op] t = Tanh(c) y = Conv(t, v)", inputs="float[1, 8, 16, 16] x", constants={"w": w * gain, "v": v})
    made = quantize(model, {"x": rng.normal(size=(8, 8, 16, 16)).astype(np.float32) / 3}, recipe=Recipe(effort="fast"))
    assert made.plan.nodes["op"].runs == runs
    grid = made.plan.grids["t"]
    assert (grid.scale == 1 / 128) is (runs == "int8")
    assert made.report.fidelity is not None
    assert made.report.fidelity.sqnr_db > 25
    rows = {row.name: row.runs_as for row in prove_placement(made.model).nodes}
    assert rows["op"] == runs
