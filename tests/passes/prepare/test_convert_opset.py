"""ConvertOpset: up from below, down from above, nothing in between, a clear error where onnx
cannot.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir
import pytest

from edgeq.errors import UnsupportedOpset
from edgeq.graph.read import nodes
from edgeq.passes.prepare.convert_opset import ConvertOpset
from edgeq.testing.pass_models import named_model


@pytest.mark.parametrize(("name", "opset"), [("opset_9", 13), ("conv_bn_relu", 17), ("opset_22", 21)])
def test_converts_to_the_nearer_end(name: str, opset: int) -> None:
    model = named_model(name)
    assert ConvertOpset()(model).modified == (opset != 17)
    assert model.opset_imports[""] == opset
    onnx.checker.check_model(ir.to_proto(model), full_check=True)


def test_keeps_node_names() -> None:
    model = named_model("opset_9")
    before = [node.name for node in nodes(model)]
    ConvertOpset()(model)
    assert set(before) <= {node.name for node in nodes(model)}


def test_the_ir_version_goes_with_the_opset() -> None:
    model = named_model("opset_9")
    assert model.ir_version == 4
    ConvertOpset()(model)
    assert model.ir_version == 7


def test_a_new_operator_cannot_go_down_but_may_stay_up_to_27() -> None:
    text = '<ir_version: 11, opset_import: ["" : {}]> net (float[N, 4] x) => (float[N, 4] y) <float[4] s = {{1.0, 1.0, 1.0, 1.0}}>'
    text += " {{ y = RMSNormalization(x, s) }}"
    model = ir.from_onnx_text(text.format(23))
    ConvertOpset()(model)
    assert model.opset_imports[""] == 23
    old = ir.from_onnx_text('<ir_version: 7, opset_import: ["" : 12]> net (float[N, 4] x) => (float[N, 4] y) { y = Relu(x) }')
    with pytest.raises(UnsupportedOpset, match="cannot convert"):
        ConvertOpset(lowest=99, highest=99)(old)
