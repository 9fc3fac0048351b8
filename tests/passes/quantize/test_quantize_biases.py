"""QuantizeBiases: int32 at the scale of the accumulator, only where input and weight are
integers.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant
from edgeq.passes.quantize.quantize_biases import QuantizeBiases
from tests.graph_text import Constants, lines, net

INPUTS = {"Conv": (1, 2), "Gemm": (1, 2)}
QDQ = "xq = QuantizeLinear(x, s, z) xd = DequantizeLinear(xq, s, z) "
WEIGHT = "wd = DequantizeLinear<axis = 0>(w, ws) "
BASE: Constants = {
    "s": 0.5,
    "z": np.uint8(128),
    "w": np.ones((2, 3, 1, 1), np.int8),
    "ws": np.array([0.25, 0.5], np.float32),
    "b": np.array([1.0, -3.3], np.float32),
}


def conv(body: str = "[op] y = Conv(xd, wd, b)", constants: Constants | None = None) -> ir.Model:
    return net(QDQ + WEIGHT + body, inputs="float[1, 3, 4, 4] x", constants={**BASE, **(constants or {})})


def numbers(model: ir.Model, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    found = constant(model.graph.initializers[name])
    assert found is not None
    return found


def test_a_bias_becomes_int32_at_the_product_of_the_scales() -> None:
    model = conv()
    assert QuantizeBiases(INPUTS)(model).modified
    assert lines(model)[-2:] == ["b_dequantized = DequantizeLinear(b_quantized, b_scale, b_zero_point)", "y = Conv(xd, wd, b_dequantized)"]
    assert (numbers(model, "b_quantized").dtype, numbers(model, "b_quantized").tolist()) == (np.int32, [8, -13])
    assert numbers(model, "b_scale").tolist() == [0.125, 0.25]
    assert "b" not in model.graph.initializers


def test_two_layers_that_share_a_bias_get_one_each() -> None:
    two = (
        "[op] c = Conv(xd, wd, b) cq = QuantizeLinear(x, t, z) cd = DequantizeLinear(cq, t, z) [more] d = Conv(cd, wd, b) [e] y = Add(c, d)"
    )
    model = conv(two, {"t": 0.25})
    QuantizeBiases(INPUTS)(model)
    assert numbers(model, "b_quantized").tolist() == [8, -13]
    assert numbers(model, "b_quantized_1").tolist() == [16, -26]


def test_one_number_becomes_one_a_channel() -> None:
    gemm = "[op] y = Gemm<transB = 1>(xd, wd, b)"
    model = net(QDQ + WEIGHT + gemm, inputs="float[4, 3] x", constants={**BASE, "w": np.ones((2, 3), np.int8), "b": np.float32(1)})
    QuantizeBiases(INPUTS)(model)
    assert numbers(model, "b_quantized").tolist() == [8, 4]


def test_one_scale_a_tensor() -> None:
    model = conv(constants={"ws": np.float32(0.25)})
    QuantizeBiases(INPUTS)(model)
    assert numbers(model, "b_scale").shape == ()
    assert numbers(model, "b_quantized").tolist() == [8, -26]


@pytest.mark.parametrize(
    "body",
    ["[op] y = Conv(x, wd, b)", "[op] y = Conv(xd, wf, b)", "[op] y = Conv(xd, wd)", "[op] y = ConvTranspose(xd, wd, b)"],
)
def test_other_nodes_are_left_alone(body: str) -> None:
    constants = {"wf": np.ones((2, 3, 1, 1), np.float32)} if "wf" in body else {}
    if "Transpose" in body:
        constants["w"], constants["b"] = np.ones((3, 2, 1, 1), np.int8), np.ones(2, np.float32)
        constants["ws"] = np.ones(3, np.float32)
    assert not QuantizeBiases(INPUTS)(conv(body, constants)).modified


def test_codes_never_wrap_around() -> None:
    model = conv(constants={"b": np.array([1e30, -1e30], np.float32)})
    QuantizeBiases(INPUTS)(model)
    assert numbers(model, "b_quantized").tolist() == [2**31 - 1, -(2**31)]


@pytest.mark.parametrize(("groups", "outputs"), [(2, 3), (3, 2), (6, 1)])
def test_every_group_of_a_transposed_convolution_has_the_same_scales(groups: int, outputs: int) -> None:
    """The weight is [C_in, C / groups, ...]: a scale along axis 1 serves one output a group."""
    scales = np.array([0.25, 0.5, 1.0], np.float32)[:outputs]
    constants = {"w": np.ones((6, outputs, 1, 1), np.int8), "ws": scales, "b": np.arange(6, dtype=np.float32)}
    body = f"wd = DequantizeLinear<axis = 1>(w, ws) [op] y = ConvTranspose<group = {groups}>(xd, wd, b)"
    model = net(QDQ + body, inputs="float[1, 6, 4, 4] x", constants={**BASE, **constants})
    assert QuantizeBiases({"ConvTranspose": (1, 2)})(model).modified
    assert numbers(model, "b_scale").tolist() == (0.5 * np.tile(scales, groups)).tolist()
    assert numbers(model, "b_quantized").tolist() == [round(c / (0.5 * scales[c % outputs])) for c in range(6)]


def test_groups_of_a_transposed_convolution_with_one_scale_a_tensor() -> None:
    constants = {"w": np.ones((6, 3, 1, 1), np.int8), "ws": np.float32(0.5), "b": np.arange(6, dtype=np.float32)}
    body = "wd = DequantizeLinear(w, ws) [op] y = ConvTranspose<group = 2>(xd, wd, b)"
    model = net(QDQ + body, inputs="float[1, 6, 4, 4] x", constants={**BASE, **constants})
    QuantizeBiases({"ConvTranspose": (1, 2)})(model)
    assert (numbers(model, "b_scale").shape, numbers(model, "b_quantized").tolist()) == ((), [0, 4, 8, 12, 16, 20])
