"""Tests of edgeq.proof.why_float: each fact about onnxruntime's fusions, seen in the real runtime
together with its reason.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.proof.proof import prove_placement
from tests.graph_text import net
from tests.qdq_toys import IN, OUT, WEIGHT, toy

CASES = {
    "no kernel": (IN + "[n] c = Tanh(xd) " + OUT, "onnxruntime has no integer kernel for Tanh"),
    "not fused": (IN + "[n] c = Relu(xd)  [r] e = Exp(c)  [s] y = Sqrt(e)", "onnxruntime does not fuse Relu between"),
    "float input": (WEIGHT + "[n] c = Conv(x, wd) " + OUT, "its input 0 is not quantized"),
    "float constant": (IN + "[n] c = Add(xd, k) " + OUT, "its constant input 1 is not quantized"),
    "16 bits": (IN.replace("z)", "z16)") + WEIGHT + "[n] c = Conv(xd, wd) " + OUT.replace("z)", "z16)"), "its input 0 has 16-bit codes"),
    "bias scale": (
        IN + WEIGHT + "[dq_b] bd = DequantizeLinear<axis = 0>(b, bs_wrong)  [n] c = Conv(xd, wd, bd) " + OUT,
        "the scale of its bias is not input scale times weight scale",
    ),
    "graph output": (IN + WEIGHT + "[n] y = Conv(xd, wd)", "its output is a graph output"),
    "float reader": (IN + WEIGHT + "[n] c = Conv(xd, wd)  [r] f = Sin(c)  [e] g = Sqrt(f)  [a] y = Add(g, c)", "read in float by"),
    "relu": (IN + WEIGHT + "[n] a = Conv(xd, wd)  c = Relu(a) " + OUT.replace("z)", "z128)"), "zero point 128 after its Relu"),
    "relu unquantized": (IN + WEIGHT + "[n] a = Conv(xd, wd)  y = Relu(a)", "the output of the Relu after it is not quantized"),
    "grids": (IN + "[n] c = MaxPool<kernel_shape = [2, 2]>(xd) " + OUT, "the scale or zero point of its output is not that of its input"),
    "beta": (
        "[q1] aq = QuantizeLinear(x, s, z)  ad = DequantizeLinear(aq, s, z)  [n] c = Gemm<beta = 2.0>(ad, ad, ad) " + OUT,
        "alpha or beta is not 1",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_float_node_has_the_right_reason(case: str) -> None:
    body, reason = CASES[case]
    inputs = "float[4, 4] x" if case == "beta" else "float[1, 4, 8, 8] x"
    model = toy(body, inputs=inputs, opset=21 if case == "16 bits" else 17, ir_version=10)
    node = next(node for node in prove_placement(model).nodes if node.name == "n")
    assert node.runs_as == "float"
    assert reason in node.reason


def test_a_product_of_16_bit_activations_runs_on_8_bits_in_blocks() -> None:
    """Silently: no option asks onnxruntime for it, and nothing in the file says so."""
    text = "[q] xq = QuantizeLinear(x, s, z) [d] xd = DequantizeLinear(xq, s, z) [w] wd = DequantizeLinear<axis = 1>(v, vs) "
    text += "[n] c = MatMul(xd, wd) [r] cq = QuantizeLinear(c, s, z) [o] y = DequantizeLinear(cq, s, z)"
    weight = np.random.default_rng(0).integers(-127, 128, (64, 64)).astype(np.int8)
    constants = {"s": np.float32(1e-4), "z": np.uint16(32768), "v": weight, "vs": np.full(64, 0.01, np.float32)}
    model = net(text, inputs="float[8, 64] x", constants=constants, opset=21)
    node = next(node for node in prove_placement(model).nodes if node.name == "n")
    assert node.runs_as == "float" and "8 bits in blocks" in node.reason
