"""OnnxOwnQdq: Q/DQ nodes of onnxruntime's domain become ONNX's own."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.passes.foreign.onnx_own_qdq import OnnxOwnQdq
from edgeq.testing import check_pass
from tests.small_models import text_model

BODY = "q = com.microsoft.QuantizeLinear(x, s, z)  y = com.microsoft.DequantizeLinear(q, s, z)"


def model(zero: np.generic) -> ir.Model:
    text = f'<ir_version: 9, opset_import: ["": 17, "com.microsoft": 1]> net (float[2, 3] x) => (float[2, 3] y) {{ {BODY} }}'
    return ir.from_proto(text_model(text, {"s": np.array(0.05, np.float32), "z": np.asarray(zero)}))


@pytest.mark.parametrize("zero", [np.uint8(7), np.int8(-3)])
def test_nodes_of_8_bits_lose_their_domain_and_keep_their_numbers(zero: np.generic) -> None:
    after = check_pass(OnnxOwnQdq(), model(zero))
    assert [node.domain for node in after.graph] == ["", ""]


def test_nodes_of_16_bits_stay_since_older_opsets_have_none() -> None:
    assert not OnnxOwnQdq()(model(np.uint16(7))).modified
