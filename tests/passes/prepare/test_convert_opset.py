"""ConvertOpset: up from below, down from above, nothing in between, a clear error where onnx
cannot.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.errors import UnsupportedOpset
from edgeq.graph.names import unique_names
from edgeq.graph.read import nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.prepare.convert_opset import ConvertOpset
from edgeq.runtimes.ort import open_session
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
    with pytest.raises(UnsupportedOpset, match="cannot raise the model from opset 12 to 99"):
        ConvertOpset(lowest=99, highest=99)(old)


def outputs(model: ir.Model, size: int = 6) -> list[AnyArray]:
    feeds = {"x": np.random.default_rng(1).standard_normal((2, 3, size, size)).astype(np.float32)}
    with open_session(model, optimize="off") as session:
        return session.run(feeds)


def model_of(opset: int, body: str) -> ir.Model:
    model = ir.from_onnx_text(
        f'<ir_version: 5, opset_import: ["" : {opset}]> net (float[2, 3, 6, 6] x) => (float[A, B, C, D] y) {{ {body} }}'
    )
    unique_names(model)
    return model


@pytest.mark.parametrize(
    ("opset", "body"),
    [
        (7, "[n] y = Upsample<mode = \"linear\", scales = [1.0, 1.0, 2.0, 2.0]>(x)"),
        (9, "s = Constant<value = float[4] {1.0, 1.0, 3.0, 1.5}>() [n] y = Upsample<mode = \"nearest\">(x, s)"),
        (9, "s = Constant<value = float[4] {1.0, 1.0, 3.0, 1.5}>() [n] y = Upsample<mode = \"linear\">(x, s)"),
        (10, "s = Constant<value = float[4] {1.0, 1.0, 0.5, 0.75}>() [n] y = Resize<mode = \"nearest\">(x, s)"),
        (10, "s = Constant<value = float[4] {1.0, 1.0, 0.75, 3.0}>() [n] y = Resize<mode = \"nearest\">(x, s)"),
        (10, "s = Constant<value = float[4] {1.0, 1.0, 0.75, 3.0}>() [n] y = Resize<mode = \"linear\">(x, s)"),
        (11, "[n] y = Hardmax<axis = 2>(x)"),
        (11, "[n] y = Hardmax(x)"),
        (9, "[n] y = Hardmax<axis = 3>(x)"),
        (11, "[n] y = LogSoftmax<axis = 1>(x)"),
        (10, "c = Constant<value = bool {1}>() [n] y = If(c) <then_branch = g () => (float[2, 3, 6, 6] v) { v = Hardmax<axis = 1>(x) },"
             " else_branch = h () => (float[2, 3, 6, 6] w) { w = Neg(x) }>"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", [13, 21])
def test_old_forms_compute_what_they_did(opset: int, body: str, target: int) -> None:
    model = model_of(opset, body)
    wanted = outputs(model)
    ConvertOpset(target, target)(model)
    assert model.opset_imports[""] == target
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    for before, after in zip(wanted, outputs(model), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)
    assert "n" in {node.name for node in nodes(model)}


@pytest.mark.parametrize(
    "body",
    ["[n] y = Mod(a, b)", "[n] y = Relu(x)", "[n] y = Celu(x)", "c = GlobalMaxPool(x) [n] y = Mul(c, x)", "[n] y = Mod<fmod = 1>(a, b)"],
)
def test_opset_28_goes_down_with_what_means_the_same(body: str) -> None:
    """onnxruntime has no QuantizeLinear of opset 28. A Mod of floats without fmod is new there, and
    onnx has no adapter for GlobalMaxPool.
    """
    text = f"""<ir_version: 13, opset_import: ["" : 28]> net (float[2, 3, 6, 6] x) => (float[2, 3, 6, 6] y)
        <float[1] h = {{0.5}}, float[1] k = {{9.0}}> {{ a = Add(x, k) b = Add(a, h) {body} }}"""
    model = ir.from_onnx_text(text)
    unique_names(model)
    wanted = outputs(model)
    ConvertOpset(13, 27)(model)
    assert model.opset_imports[""] == 27
    np.testing.assert_allclose(outputs(model)[0], wanted[0], rtol=1e-5, atol=1e-6)
    assert "n" in {node.name for node in nodes(model)}


def test_a_number_alone_changes_where_the_operators_are_the_same() -> None:
    """Nothing is replaced: names, attributes and shapes of inner values stay as they are."""
    model = named_model("opset_22")
    model.opset_imports[""] = 24
    before = [id(node) for node in nodes(model)]
    for target in (23, 22):
        ConvertOpset(13, target)(model)
        assert model.opset_imports[""] == target
    assert [id(node) for node in nodes(model)] == before


def test_an_opset_between_the_ends_stays() -> None:
    for opset in (13, 17, 22, 27):
        model = model_of(opset, "y = Relu(x)")
        ConvertOpset(13, 27)(model)
        assert model.opset_imports[""] == opset


def test_shapes_that_contradict_the_weights_do_not_stop_the_conversion() -> None:
    model = named_model("opset_9")
    proto = ir.to_proto(model)
    proto.graph.value_info.append(onnx.helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, [7]))
    damaged = ir.from_proto(proto)
    ConvertOpset()(damaged)
    assert damaged.opset_imports[""] == 13
