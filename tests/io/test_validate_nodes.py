"""Tests of what is checked of single nodes: the damaged is refused, the odd but legal is not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeq.errors import BadModel
from edgeq.io.load import load_proto
from edgeq.numerics.arrays import AnyArray

QDQ = """<ir_version: 8, opset_import: ["": 13, "com.microsoft": 1]>
net (float[2, 3] x) => (float[2, 3] y) { q = QuantizeLinear<axis = AXIS>(x, s, z)  y = DequantizeLinear<axis = AXIS>(q, s, z) }"""
QOPERATOR = """<ir_version: 8, opset_import: ["": 13, "com.microsoft": 1]>
net (uint8[2, 3] x) => (uint8[2, 3] y) { [add] y = com.microsoft.QLinearAdd(x, s, z, x, s, z, t, u) }"""


def loaded(text: str, **constants: AnyArray) -> onnx.ModelProto:
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    return load_proto(proto, quantized=True)


def scales(*numbers: float) -> AnyArray:
    return np.array(numbers, np.float32)


@pytest.mark.parametrize(
    ("axis", "scale", "zero", "says"),
    [
        (1, scales(1), np.zeros(3, np.uint8), "A scale of 1 numbers has a zero point of 3"),
        (1, scales(1, 2, 3), np.array(0, np.uint8), "A scale of 3 numbers has a zero point of 1"),
        (1, scales(1, 2), np.zeros(2, np.uint8), "2 scales along an axis of 3 slices"),
        (2, scales(1, 2, 3), np.zeros(3, np.uint8), "Scales along axis 2 of a tensor of 2 axes"),
        (1, scales(), np.zeros(0, np.uint8), "A scale holds no number"),
    ],
)
def test_scales_that_do_not_fit_their_tensor_are_refused(axis: int, scale: AnyArray, zero: AnyArray, says: str) -> None:
    with pytest.raises(BadModel, match=says):
        loaded(QDQ.replace("AXIS", str(axis)), s=scale, z=zero)


@pytest.mark.parametrize(
    ("axis", "scale", "zero"),
    [
        (1, scales(1, 2, 3), np.zeros(3, np.uint8)),
        (-1, scales(1, 2, 3), np.zeros(3, np.uint8)),
        (5, scales(1), np.zeros(1, np.uint8)),
        (0, np.array(0.5, np.float32), np.zeros(1, np.uint8)),
    ],
)
def test_what_onnxruntime_takes_passes(axis: int, scale: AnyArray, zero: AnyArray) -> None:
    loaded(QDQ.replace("AXIS", str(axis)), s=scale, z=zero)


def test_an_operator_on_codes_is_held_to_the_same() -> None:
    given = {"s": scales(1), "z": np.zeros(1, np.uint8), "t": scales(1)}
    loaded(QOPERATOR, **given, u=np.zeros(1, np.uint8))
    with pytest.raises(BadModel, match="zero point of 2"):
        loaded(QOPERATOR, **given, u=np.zeros(2, np.uint8))


@pytest.mark.parametrize("text", ["(x, s, z, x, s, z)", "(x, , z, x, s, z, t, u)"])
def test_an_operator_on_codes_that_lacks_a_scale_is_refused(text: str) -> None:
    """onnx.checker knows nothing of onnxruntime's own operators."""
    with pytest.raises(BadModel, match="QLinearAdd lacks its input"):
        loaded(
            QOPERATOR.replace("(x, s, z, x, s, z, t, u)", text), s=scales(1), z=np.zeros(1, np.uint8), t=scales(1), u=np.zeros(1, np.uint8)
        )


CONSTANTS = """<ir_version: 8, opset_import: ["": 13]>
net (float[2] x, bool c) => (float[2] y) { k = Constant<VALUES>() a = Add(x, k) y = If (c) <
  then_branch = one () => (float[2] t) { m = Constant<INNER>() t = Add(a, m) },
  else_branch = two () => (float[2] e) { e = Identity(a) }> }"""


@pytest.mark.parametrize(
    ("values", "inner"),
    [("", "value_float = 1.0"), ("value_float = 1.0, value_floats = [1.0, 2.0]", "value_float = 1.0"), ("value_float = 1.0", "")],
)
def test_a_constant_has_one_value(values: str, inner: str) -> None:
    """In bodies too. onnx.checker takes one without a value, or with two."""
    with pytest.raises(BadModel, match=r"A Constant has [02] attributes"):
        load_proto(
            onnx.parser.parse_model(
                CONSTANTS.replace("<VALUES>", f"<{values}>" * bool(values)).replace("<INNER>", f"<{inner}>" * bool(inner))
            )
        )


def test_constants_of_one_value_pass() -> None:
    load_proto(onnx.parser.parse_model(CONSTANTS.replace("VALUES", "value_floats = [1.0, 2.0]").replace("INNER", "value_float = 1.0")))


@pytest.mark.parametrize(("op", "group"), [("Conv", 0), ("ConvTranspose", 0), ("Conv", -1)])
def test_a_convolution_of_no_groups_is_refused(op: str, group: int) -> None:
    """onnxruntime divides by their number; onnx.checker takes any."""
    node = f"[it] y = {op}<group = {group}>(x, w)"
    text = f'<ir_version: 8, opset_import: ["": 13]> net (float[1, 0, 6] x) => (float[1, 0, 6] y) {{ {node} }}'
    with pytest.raises(BadModel, match=f"A {op} has {group} groups") as error:
        loaded(text, w=np.zeros((0, 1, 1), np.float32))
    assert "node it" in error.value.where


LOOP = """v = Loop(m, c, x) <body = b (int64 i, bool go, float[2] a) => (bool on, float[2] n) { on = Identity(go)  n = Relu(a) }>"""
IF = "v = If(c) <then_branch = t () => (float[2] p) { p = Relu(x) }, else_branch = e () => (float[2] q) { q = Neg(x) }>"


@pytest.mark.parametrize(
    ("node", "count", "condition"),
    [(LOOP, (0,), ()), (LOOP, (), (0,)), (LOOP, (1, 0), (1,)), (IF, (), (0,))],
)
def test_a_count_or_a_condition_without_elements_is_refused(node: str, count: tuple[int, ...], condition: tuple[int, ...]) -> None:
    """onnxruntime reads the element that is not there."""
    text = f'<ir_version: 8, opset_import: ["": 16]> net (float[2] x) => (float[2] y) {{ {node}  y = Neg(v) }}'
    with pytest.raises(BadModel, match="which has no elements"):
        loaded(text, m=np.ones(count, np.int64), c=np.ones(condition, np.bool_))


@pytest.mark.parametrize("node", [LOOP, IF])
def test_a_count_and_a_condition_of_one_element_pass(node: str) -> None:
    text = f'<ir_version: 8, opset_import: ["": 16]> net (float[2] x) => (float[2] y) {{ {node}  y = Neg(v) }}'
    loaded(text, m=np.ones((1,), np.int64), c=np.ones((), np.bool_))
