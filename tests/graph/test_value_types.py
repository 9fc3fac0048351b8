"""Types of values: maps survive reading and writing; declared sizes give way to inferred ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from onnx_ir.passes.common import ShapeInferencePass

from edgeq.api import compare, quantize
from edgeq.errors import BadModel
from edgeq.graph.edit import add_constant
from edgeq.graph.read import nodes, values
from edgeq.graph.value_types import infer_types, is_inferred, typed_proto
from edgeq.io.load import load_proto
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.report.inspection import inspect_model
from edgeq.schema.target import load_target
from edgeq.testing.pass_models import TEXTS, law_model
from tests.graph_text import weights

KEYS = {"text": [f"class {i}" for i in range(64)], "numbers": list(range(64))}


def classifier(keys: str) -> onnx.ModelProto:
    """Two layers, Softmax and the ZipMap that scikit-learn's converter adds."""
    key = TensorProto.STRING if keys == "text" else TensorProto.INT64
    scores = helper.make_sequence_type_proto(helper.make_map_type_proto(key, helper.make_tensor_type_proto(TensorProto.FLOAT, [])))
    attribute = {"classlabels_strings" if keys == "text" else "classlabels_int64s": KEYS[keys]}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"]), helper.make_node("ZipMap", ["p"], ["z"], domain="ai.onnx.ml", **attribute),
    ]  # fmt: skip
    constants = [onnx.numpy_helper.from_array(weights(64, 64, seed=seed), name) for seed, name in enumerate("wv")]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64])
    graph = helper.make_graph(nodes, "net", [x], [helper.make_value_info("z", scores)], constants)
    graph.value_info.append(helper.make_value_info("z", scores))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def samples() -> dict[str, AnyArray]:
    return {"x": np.random.default_rng(0).normal(size=(16, 64)).astype(np.float32)}


@pytest.mark.parametrize("keys", ["text", "numbers"])
def test_the_type_of_a_map_comes_back(keys: str) -> None:
    proto = classifier(keys)
    onnx.checker.check_model(proto)
    written = typed_proto(load_proto(proto).model)
    onnx.checker.check_model(written)
    assert written.graph.output[0] == proto.graph.output[0]


@pytest.mark.parametrize("keys", ["text", "numbers"])
def test_a_classifier_with_a_map_is_quantized_written_and_compared(keys: str, tmp_path: Path) -> None:
    proto = classifier(keys)
    made = quantize(proto, samples())
    made.save(tmp_path / "q.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "q.onnx"))
    assert {node.runs for node in made.plan.nodes.values() if node.op_type == "MatMul"} <= {"int8", "dynamic"}
    (output,) = compare(proto, tmp_path / "q.onnx", samples()).outputs
    assert 20 < output.sqnr_db < 80
    assert output.top1_agreement is not None  # the scores of a sample are one row
    assert inspect_model(load_proto(proto), load_target("cpu")).macs


def test_an_input_that_is_a_map_is_refused_by_name() -> None:
    given = helper.make_value_info("m", helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])))
    node = helper.make_node("CastMap", ["m"], ["y"], domain="ai.onnx.ml")
    graph = helper.make_graph([node], "net", [given], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, None])])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)
    with pytest.raises(BadModel, match="`m` is a map"):
        load_proto(proto)


# ------------------------------------------------------------------ declared sizes

LYING = """<ir_version: 8, opset_import: ["": 13]>
net (float[2, 3] x) => (float[OUT] y) <float[A] a, float[B] b> { a = Flatten(x) b = Relu(a) y = Identity(b) }"""


@pytest.mark.parametrize(
    ("a", "b", "out"), [("2, 7", "2, 3", "2, 3"), ("2, 3", "2, 3, 1", "2, 3"), ("2, 3", "2, 3", "6"), ("9, 9", "8, 8", "7, 7")]
)
def test_sizes_that_contradict_the_operators_are_not_believed(a: str, b: str, out: str) -> None:
    """onnxruntime warns, and runs such a model with the inferred sizes."""
    text = LYING.replace("OUT", out).replace("[A]", f"[{a}]").replace("[B]", f"[{b}]")
    graph = load_proto(onnx.parser.parse_model(text)).model.graph
    assert [str(node.outputs[0].shape) for node in graph] == ["[2,3]", "[2,3]", "[2,3]"]


def test_declared_sizes_stay_where_nothing_contradicts_them() -> None:
    """Names of sizes, and those of an operator that nothing infers."""
    text = """<ir_version: 8, opset_import: ["": 13, "com.microsoft": 1]>
    net (float[N, 3] x) => (float[M, 4] y) <float[M, 3] a, float[2, 4] b> {
      a = Relu(x) b = com.microsoft.Own(a) y = Identity(b) }"""
    graph = load_proto(onnx.parser.parse_model(text)).model.graph
    assert [str(node.outputs[0].shape) for node in graph] == ["[M,3]", "[2,4]", "[M,4]"]


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - {"average_over_the_edge"}))  # its sizes are left open on purpose
def test_inference_finds_what_onnx_ir_finds_and_keeps_the_order_of_weights(name: str) -> None:
    ours, theirs = law_model(name), law_model(name)
    order = list(ours.graph.initializers)
    infer_types(ours, follow_values=True)
    ShapeInferencePass(check_type=False, strict_mode=False)(theirs)
    assert {v.name: (v.dtype, v.shape) for v in values(ours)} == {v.name: (v.dtype, v.shape) for v in values(theirs)}
    assert list(ours.graph.initializers) == order


def test_inference_reads_small_constants_and_not_large_ones() -> None:
    text = '<ir_version: 8, opset_import: ["" : 17]> g (float[2, 600] x) => (float[a, b] y) '
    text += "<int64[2] to = {600, 2}> { r = Reshape(x, to)  y = MatMul(r, w) }"
    model = ir.from_onnx_text(text)
    weight = add_constant(model.graph, weights(2, 300), "w")
    model.graph.node(1).replace_input_with(1, weight)
    infer_types(model, follow_values=False)
    assert [list(node.outputs[0].shape or ()) for node in model.graph] == [[600, 2], [600, 300]]
    assert weight.const_value is not None and weight not in model.graph.inputs


def test_inference_enters_bodies() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[2, 3] x, bool c) => (float[a, b] y) {
        y = If(c) <
            then_branch = first () => (float[a, b] p) { t = Transpose<perm = [1, 0]>(x)  p = Relu(t) },
            else_branch = second () => (float[a, b] q) { q = Transpose<perm = [1, 0]>(x) }
        > }"""
    model = ir.from_onnx_text(text)
    infer_types(model, follow_values=False)
    assert {node.op_type: list(node.outputs[0].shape or ()) for node in nodes(model) if node.op_type != "If"} == {
        "Transpose": [3, 2],
        "Relu": [3, 2],
    }


INFERRED = """<ir_version: 8, opset_import: ["" : 17]>
net (float[N, 4] x) => ({output} y) {body}
"""


@pytest.mark.parametrize(
    ("output", "body", "settled"),
    [
        ("float[N, 4]", "{ a = Relu (x) y = Neg (a) }", True),
        ("float[M, 4]", "{ a = Relu (x) y = Neg (a) }", False),  # declared otherwise than inferred
        ("float[N, 4]", "<float[2, 4] a> { a = Relu (x) y = Neg (a) }", False),  # so is an inner one
        ("int64[2]", "{ a = Relu (x) y = Shape (a) }", False),  # values of shapes are followed, too
    ],
)
def test_a_loaded_model_tells_whether_more_could_be_inferred(output: str, body: str, settled: bool) -> None:
    model = load_proto(ir.to_proto(ir.from_onnx_text(INFERRED.replace("{output}", output).replace("{body}", body)))).model
    assert is_inferred(model) == settled
    if settled:
        assert not InferShapes()(model.clone()).modified


def test_a_copy_of_a_loaded_model_may_change_and_tells_nothing() -> None:
    model = load_proto(
        ir.to_proto(ir.from_onnx_text(INFERRED.replace("{output}", "float[N, 4]").replace("{body}", "{ y = Relu (x) }")))
    ).model
    assert is_inferred(model)
    assert not is_inferred(model.clone())
