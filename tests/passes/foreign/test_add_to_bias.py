"""AddToBias: a constant behind a layer becomes part of its bias."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.passes.foreign.add_to_bias import AddToBias
from edgeq.testing import check_pass
from tests.graph_text import net

W = np.arange(-12, 12, dtype=np.int8).reshape(4, 6)
KERNEL = W[..., None, None]
SHIFT = np.linspace(-1, 1, 6, dtype=np.float32)
BASE = {"w": W, "s": np.float32(0.02), "z": np.int8(0)}
DQ = "f = DequantizeLinear(w, s, z) "


@pytest.mark.parametrize(
    ("body", "inputs", "constants", "op_type"),
    [
        ("m = MatMul(x, f) y = Add(m, b)", "float[2, 4] x", {"b": SHIFT}, "Gemm"),
        ("m = MatMul(x, f) y = Add(b, m)", "float[2, 4] x", {"b": SHIFT[None]}, "Gemm"),
        ("m = Gemm(x, f, c) y = Add(m, b)", "float[2, 4] x", {"b": SHIFT, "c": SHIFT * 3}, "Gemm"),
        ("m = Gemm<transB = 1>(x, f) y = Add(m, b)", "float[2, 6] x", {"b": SHIFT[:4]}, "Gemm"),
        ("m = Conv(x, f, c) y = Add(m, b)", "float[1, 6, 3, 3] x", {"w": KERNEL, "b": SHIFT[:4, None, None], "c": SHIFT[:4]}, "Conv"),
    ],
    ids=["matmul", "first", "gemm", "transposed", "conv"],
)  # fmt: skip
def test_the_add_is_gone_and_the_numbers_stay(body: str, inputs: str, constants: dict[str, np.ndarray], op_type: str) -> None:
    after = check_pass(AddToBias(), net(DQ + body, inputs=inputs, constants={**BASE, **constants}))
    assert [node.op_type for node in after.graph] == ["DequantizeLinear", op_type]


@pytest.mark.parametrize(
    ("body", "inputs", "constants"),
    [
        ("m = MatMul(x, f) y = Add(m, b)", "float[3, 2, 4] x", {"b": SHIFT}),
        ("m = MatMul(x, f) y = Add(m, b)", "float[2, 4] x", {"b": np.ones((2, 6), np.float32)}),
        ("m = MatMul(x, f) y = Add(m, b) r = Relu(m)", "float[2, 4] x", {"b": SHIFT}),
    ],
    ids=["rank 3", "one per row", "read twice"],
)
def test_other_adds_stay(body: str, inputs: str, constants: dict[str, np.ndarray]) -> None:
    outputs = "float y, float r" if " r = " in body else "float y"
    assert not AddToBias()(net(DQ + body, inputs=inputs, outputs=outputs, constants={**BASE, **constants})).modified
