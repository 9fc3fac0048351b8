"""AccumulatorBiases: biases become int32 codes of input scale * weight scale."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.foreign.accumulator_biases import AccumulatorBiases
from edgeq.passes.foreign.changes import changes
from edgeq.testing import check_pass
from tests.graph_text import net

W = np.arange(-12, 12, dtype=np.int8).reshape(4, 6)
BODY = """xq = QuantizeLinear(x, s, z)  f = DequantizeLinear(xq, s, z)  g = DequantizeLinear<axis = 1>(w, ws, wz)
          {bias} c = Gemm(f, g, {read})  yq = QuantizeLinear(c, t, z)  y = DequantizeLinear(yq, t, z)"""
KNOWN = {
    "s": np.float32(0.5),
    "t": np.float32(0.5),
    "z": np.int8(0),
    "w": W,
    "ws": np.full(6, 0.25, np.float32),
    "wz": np.zeros(6, np.int8),
}


def layer(bias: AnyArray, scale: float | None = None, zero: AnyArray | None = None) -> ir.Model:
    """A Gemm whose accumulator has steps of 1/8. scale: of the bias; None: it is float."""
    if scale is None:
        return net(BODY.format(bias="", read="b"), inputs="float[2, 4] x", constants={**KNOWN, "b": bias})
    constants = {**KNOWN, "b": bias, "bs": np.float32(scale), **({} if zero is None else {"bz": zero})}
    up = "DequantizeLinear(b, bs)" if zero is None else "DequantizeLinear(b, bs, bz)"
    return net(BODY.format(bias=f"bf = {up}", read="bf"), inputs="float[2, 4] x", constants=constants)


def stored(model: ir.Model) -> AnyArray | None:
    node = next(node for node in model.graph if node.op_type == "Gemm")
    maker = node.inputs[2].producer()  # type: ignore[union-attr]
    return None if maker is None else constant(maker.inputs[0])


def test_a_float_bias_is_rounded_and_told_in_steps_of_the_output() -> None:
    model = layer(np.array([0, 0.125, -1, 100, 0.1, 7.03], np.float32))
    after = check_pass(AccumulatorBiases(), model, tolerance=None)
    np.testing.assert_array_equal(stored(after), [0, 1, -8, 800, 1, 56])
    (change,) = changes(after)
    assert change.kind == "bias_coded"
    assert change.steps == pytest.approx(0.03 / 0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("bias", "scale", "wanted"),
    [
        (np.array([1, -2, 3, 4, 5, 6], np.int8), 0.5, [4, -8, 12, 16, 20, 24]),
        (np.array([8, -16, 0, 80, 0, 8], np.int32), 0.015625, [1, -2, 0, 10, 0, 1]),
    ],
    ids=["powers of two", "coarser"],
)
def test_codes_on_another_grid_that_stand_for_the_same_numbers_are_exact(bias: AnyArray, scale: float, wanted: list[int]) -> None:
    after = check_pass(AccumulatorBiases(), layer(bias, scale), tolerance=1e-6)
    np.testing.assert_array_equal(stored(after), wanted)
    assert [change.steps for change in changes(after)] == [0.0]


def test_a_zero_point_is_taken_off() -> None:
    after = check_pass(AccumulatorBiases(), layer(np.array([1, 2, 3, 4, 5, 6], np.uint8), 0.125, np.uint8(3)), tolerance=1e-6)
    np.testing.assert_array_equal(stored(after), [-2, -1, 0, 1, 2, 3])


def test_codes_between_those_of_the_accumulator_are_rounded_on_request_only() -> None:
    model = layer(np.array([1, -2, 3, 4, 5, 6], np.int32), 0.05)
    assert not AccumulatorBiases()(model.clone()).modified
    assert AccumulatorBiases(rounding=True)(model).modified
    np.testing.assert_array_equal(stored(model), [0, -1, 1, 2, 2, 2])
    assert changes(model)[0].kind == "bias_rounded"
    assert 0 < changes(model)[0].steps <= 0.125


@pytest.mark.parametrize("bias", [np.full(6, 1e12, np.float32), np.ones((2, 6), np.float32)], ids=["beyond int32", "one per row"])
def test_what_no_int32_per_channel_holds_stays(bias: AnyArray) -> None:
    assert not AccumulatorBiases(rounding=True)(layer(bias)).modified


def test_the_wanted_form_stays() -> None:
    assert not AccumulatorBiases()(layer(np.arange(6, dtype=np.int32), 0.125)).modified
