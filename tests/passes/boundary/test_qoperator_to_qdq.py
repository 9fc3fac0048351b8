"""QoperatorToQdq: operators on codes become float operators between pairs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import attribute_int, constant, nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.boundary.qoperator_to_qdq import QoperatorToQdq
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines
from tests.small_models import text_model

QOPERATORS = {
    "QLinearMatMul(a, s, z, w, s, z, t, z)": ("DequantizeLinear", "DequantizeLinear", "MatMul", "QuantizeLinear"),
    "com.microsoft.QGemm(a, s, z, w, s, z, , t, z)": ("DequantizeLinear", "DequantizeLinear", "Gemm", "QuantizeLinear"),
    "com.microsoft.QLinearConcat<axis = 1>(t, z, a, s, z, b, s, z)": (
        "DequantizeLinear",
        "DequantizeLinear",
        "Concat",
        "QuantizeLinear",
    ),
    "com.microsoft.QLinearWhere(c, a, s, z, b, s, z, t, z)": ("DequantizeLinear", "DequantizeLinear", "Where", "QuantizeLinear"),
    "com.microsoft.QLinearSigmoid(a, s, z, t, z)": ("DequantizeLinear", "Sigmoid", "QuantizeLinear"),
}


@pytest.mark.parametrize("form", QOPERATORS)
def test_qoperator_nodes_are_written_as_pairs(form: str) -> None:
    text = f"""<ir_version: 9, opset_import: ["": 17, "com.microsoft": 1]> net (int8[1, 2] a) => (int8[?, ?] y) {{ [mm] y = {form} }}"""
    weight = np.array([[1, 2, 3], [4, 5, 6]], np.int8)
    known = {"s": np.float32(0.125), "t": np.float32(0.25), "z": np.int8(3), "w": weight}
    known |= {"b": np.array([[7, 100]], np.int8), "c": np.array([[True, False]])}
    model = ir.from_proto(text_model(text, {name: np.asarray(array) for name, array in known.items()}))
    feeds = {"a": np.array([[50, -20]], np.int8)}
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run(feeds)
    assert QoperatorToQdq()(model).modified
    assert tuple(node.op_type for node in model.graph) == QOPERATORS[form]
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run(feeds)[0], wanted)
    assert not QoperatorToQdq()(model).modified


def form(body: str, outputs: str, **constants: AnyArray) -> ir.Model:
    """The graph with onnxruntime's own operators too."""
    domains = '"": 17, "com.microsoft": 1' if "com.microsoft" in body else '"": 17'
    text = f"<ir_version: 9, opset_import: [{domains}]> net (int8[2, 2] a) => ({outputs}) {{ {body} }}"
    known = {"s": np.float32(0.125), "t": np.float32(0.25), "z": np.int8(3), **constants}
    return ir.from_proto(text_model(text, {name: np.asarray(array) for name, array in known.items() if f" {name}" in text}))


WEIGHT = np.array([[1, 2, 3], [4, 5, 6]], np.int8)
MANY = {"w": WEIGHT, "ws": np.float32([0.5, 0.25, 1.0]), "wz": np.zeros(3, np.int8), "b": np.int32([8, -16, 4])}
CODES = np.array([[51, -21], [-7, 91]], np.int8)


@pytest.mark.parametrize(
    ("body", "outputs", "second", "layer"),
    [
        ("[n] y = QLinearMatMul(a, s, z, w, s, z, t, z)", "int8[2, 3] y", ["n_w_float = DequantizeLinear(w, s, z)"], "MatMul"),
        ("[n] y = QLinearMatMul(a, s, z, w, ws, wz, t, z)", "int8[2, 3] y", ["n_w_float = DequantizeLinear(w, ws, wz)"], "MatMul"),
        ("[n] y = com.microsoft.QLinearAdd(a, s, z, a, t, z, t, z)", "int8[2, 2] y", ["n_a_float_1 = DequantizeLinear(a, t, z)"], "Add"),
        ("[n] y = com.microsoft.QLinearSigmoid(a, s, z, t, z)", "int8[2, 2] y", [], "Sigmoid"),
        (
            "[n] y = com.microsoft.QLinearConcat<axis = 1>(t, z, a, s, z, a, t, z)",
            "int8[2, 4] y",
            ["n_a_float_1 = DequantizeLinear(a, t, z)"],
            "Concat",
        ),
    ],
)
def test_an_operator_on_codes_is_written_as_pairs(body: str, outputs: str, second: list[str], layer: str) -> None:
    model = form(body, outputs, **MANY)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"a": CODES})
    assert QoperatorToQdq()(model).modified
    reads = ", ".join(["n_a_float", *(line.split(" = ")[0] for line in second)])
    first, last = "n_a_float = DequantizeLinear(a, s, z)", "y = QuantizeLinear(y_float, t, z)"
    assert lines(model) == [first, *second, f"y_float = {layer}({reads})", last]
    with open_session(model, optimize="off") as session:
        np.testing.assert_array_equal(session.run({"a": CODES})[0], wanted)
    assert not QoperatorToQdq()(model).modified


@pytest.mark.parametrize(
    ("body", "axis"),
    [
        ("[fc] y = com.microsoft.QGemm(a, s, z, w, ws, wz, b, t, z)", 1),
        ("[fc] y = com.microsoft.QGemm<transB = 1>(a, s, z, r, ws, wz, b, t, z)", 0),
        ("c = Reshape(a, shape) [conv] y = QLinearConv(c, s, z, k, ws, wz, t, z, b)", 0),
    ],
)
def test_scales_of_output_channels_run_along_their_axis_and_the_bias_keeps_its_codes(body: str, axis: int) -> None:
    """Of a product the channels are the columns of the weight, or its rows where it is transposed;
    of a convolution its first axis. The scales of the bias are the products of both.
    """
    rows = np.ascontiguousarray(WEIGHT.T)
    model = form(body, "int8 y", **MANY, shape=np.array([1, 2, 2]), k=rows[..., None], r=rows)
    QoperatorToQdq()(model)
    up = next(node for node in nodes(model) if node.inputs[0] is not None and node.inputs[0].name in ("w", "k", "r"))
    layer = next(node for node in nodes(model) if node.op_type in ("Gemm", "Conv"))
    bias = layer.inputs[2].producer()  # type: ignore[union-attr]
    assert bias is not None
    codes, scales, weight_scales = constant(bias.inputs[0]), constant(bias.inputs[1]), constant(up.inputs[1])
    assert (attribute_int(up, "axis", -9), attribute_int(bias, "axis", -9)) == (axis, 0)
    np.testing.assert_array_equal(codes, MANY["b"])
    np.testing.assert_allclose(scales, 0.125 * weight_scales)


def test_a_product_without_an_output_grid_gives_floats() -> None:
    model = form("[fc] y = com.microsoft.QGemm(a, s, z, w, ws, wz)", "float[2, 3] y", **MANY)
    assert QoperatorToQdq()(model).modified
    assert lines(model)[-1] == "y = Gemm(fc_a_float, fc_w_float)"


@pytest.mark.parametrize(
    ("shape", "body"),
    [((2, 2), "[fc] y = com.microsoft.QGemm<transB = 1>(a, s, z, w, ws, wz)"),
     ((3, 2), "[fc] y = com.microsoft.QGemm<transB = 1>(a, s, z, w, ws, wz, b)"),
     ((2, 3), "[fc] y = com.microsoft.QGemm(a, s, z, w, ws, wz)")],
)  # fmt: skip
def test_a_product_of_many_scales_computes_what_the_kernel_does(shape: tuple[int, int], body: str) -> None:
    outputs = shape[0] if "transB" in body else shape[1]
    scales = np.float32([0.5, 0.25, 1.0])[:outputs]
    known = {"w": np.arange(1, 1 + shape[0] * shape[1]).reshape(shape).astype(np.int8), "ws": scales, "wz": np.zeros(outputs, np.int8)}
    model = form(body, f"float[2, {outputs}] y", **known, b=np.arange(7, 7 + outputs, dtype=np.int32))
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"a": CODES})
    assert QoperatorToQdq()(model).modified
    with open_session(model, optimize="off") as session:
        np.testing.assert_allclose(session.run({"a": CODES})[0], wanted, rtol=1e-6)
