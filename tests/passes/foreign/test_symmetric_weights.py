"""SymmetricWeights: weights become int8 with zero point 0, exactly or on request."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.foreign.changes import changes
from edgeq.passes.foreign.symmetric_weights import SymmetricWeights
from edgeq.testing import check_pass
from tests.graph_text import net, weights

BODY = """xq = QuantizeLinear(x, s, z)  f = DequantizeLinear(xq, s, z)  g = DequantizeLinear<axis = {axis}>(w, ws, wz)
          y = MatMul(f, g)"""
KNOWN = {"s": np.float32(0.5), "z": np.int8(0)}


def layer(codes: AnyArray, zero: AnyArray, scale: AnyArray | np.generic | None = None, axis: int = 1) -> ir.Model:
    constants = {**KNOWN, "w": codes, "ws": np.float32(0.25) if scale is None else scale, "wz": zero}
    return net(BODY.format(axis=axis), inputs=f"float[2, {codes.shape[0]}] x", constants=constants)


def stored(model: ir.Model) -> AnyArray:
    maker = next(node for node in model.graph if node.op_type == "MatMul").inputs[1].producer()  # type: ignore[union-attr]
    codes, zero = constant(maker.inputs[0]), constant(maker.inputs[2])  # type: ignore[union-attr]
    assert codes is not None and codes.dtype == np.int8 and zero is not None and not np.any(zero)
    return codes


@pytest.mark.parametrize(
    ("codes", "zero", "scale"),
    [
        (np.arange(110, 134, dtype=np.uint8).reshape(4, 6), np.uint8(128), None),
        (np.arange(0, 24, dtype=np.uint8).reshape(4, 6), np.uint8(9), None),
        (np.arange(-12, 12, dtype=np.int8).reshape(4, 6), np.int8(5), None),
        (np.arange(0, 24, dtype=np.uint8).reshape(4, 6), np.arange(6, dtype=np.uint8), np.linspace(0.1, 0.6, 6, dtype=np.float32)),
    ],
    ids=["around 128", "uint8", "int8", "channels"],
)
def test_codes_that_fit_without_their_zero_point_stand_for_the_same_numbers(
    codes: AnyArray, zero: AnyArray, scale: AnyArray | None
) -> None:
    after = check_pass(SymmetricWeights(), layer(codes, zero, scale), tolerance=1e-6)
    np.testing.assert_array_equal(stored(after), codes.astype(int) - zero)
    assert [(change.kind, change.steps) for change in changes(after)] == [("weight_shifted", 0.0)]


@pytest.mark.parametrize(
    ("codes", "zero", "scale", "axis"),
    [
        (np.array([[-128, 100], [20, 5]], np.int8), np.int8(40), None, 1),
        (np.array([[-128, 100], [20, 5]], np.int8), np.int8(0), None, 1),
        (np.array([[-100, 100], [20, 5]], np.int8), np.zeros(2, np.int8), np.float32([0.1, 0.3]), 0),
    ],
    ids=["zero point", "-128", "other axis"],
)
def test_others_are_rounded_on_request_only(codes: AnyArray, zero: AnyArray, scale: AnyArray | None, axis: int) -> None:
    model = layer(codes, zero, scale, axis)
    assert not SymmetricWeights()(model.clone()).modified
    after = check_pass(SymmetricWeights(rounding=True), model, tolerance=None)
    assert np.abs(stored(after).astype(int)).max() == 127
    (change,) = changes(after)
    assert change.kind == "weight_rounded"
    assert 0 < change.steps < 1


def test_a_float_weight_behind_a_quantized_input_gets_codes_on_request_only() -> None:
    body = "xq = QuantizeLinear(x, s, z)  f = DequantizeLinear(xq, s, z)  y = MatMul(f, w)"
    model = net(body, inputs="float[2, 4] x", constants={**KNOWN, "w": weights(4, 6)})
    assert not SymmetricWeights()(model.clone()).modified
    check_pass(SymmetricWeights(rounding=True), model, tolerance=0.02)
    float_input = net("y = MatMul(x, w)", inputs="float[2, 4] x", constants={"w": weights(4, 6)})
    assert not SymmetricWeights(rounding=True)(float_input).modified


def test_the_wanted_form_stays() -> None:
    assert not SymmetricWeights(rounding=True)(layer(np.arange(-12, 12, dtype=np.int8).reshape(4, 6), np.int8(0))).modified
