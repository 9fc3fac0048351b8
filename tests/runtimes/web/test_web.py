"""Tests of edgeq.runtimes.web.web: the classes of native, and kernels read from its profile."""

from __future__ import annotations

import numpy as np
import pytest

import edgeq
from edgeq.data.shipped import shipped_model
from edgeq.errors import RuntimeRefused
from edgeq.runtimes.runtime import Request
from edgeq.runtimes.web.programs import package_version
from edgeq.runtimes.web.web import RUNTIME, _operators

NODE = (
    '{{"cat" : "Node","pid" :42,"dur" :13,"ts" :46,"ph" : "X","name" :"a_kernel_time","args" : {{"provider" : "CPUExecutionProvider",'
    '"op_name" : "{op}","input_type_shape" : [{{"{source}":[1,4]}}],"output_type_shape" : [{{"{result}":[1,4]}}]}}}},'
)


@pytest.mark.parametrize(
    ("op", "source", "result", "integer"),
    [
        ("QLinearConv", "uint8", "uint8", True),
        ("MatMulIntegerToFloat", "uint8", "float", True),
        ("MaxPool", "uint8", "uint8", True),
        ("Conv", "float", "float", False),
        ("Softmax", "float", "float", False),
    ],
)
def test_a_kernel_of_the_profile_is_integer_by_its_name_or_its_types(op: str, source: str, result: str, *, integer: bool) -> None:
    lines = ["[", '{"cat" : "Session","name" :"session_initialization","args" : {}},', NODE.format(op=op, source=source, result=result)]
    (found,) = _operators(lines)
    assert (found.op_type, found.integer) == (op, integer)


@pytest.mark.parametrize(("op", "source", "result"), [("QuantizeLinear", "float", "uint8"), ("Gather", "int64", "int64")])
def test_conversions_and_shapes_are_not_listed(op: str, source: str, result: str) -> None:
    assert _operators([NODE.format(op=op, source=source, result=result)]) == ()


def test_node_and_a_browser_compute_what_onnxruntime_computes() -> None:
    if package_version() is None:
        pytest.skip("needs Node and the npm package onnxruntime-web, in node_modules here or above")
    from edgeq.proof.elsewhere.handed import ProofSubject
    from edgeq.proof.elsewhere.other_runtimes import prove_in

    recipe = edgeq.Recipe(effort="fast", samples=32, placement={"prefer": "integers"})
    made = edgeq.quantize(shipped_model("digits"), "digits", recipe=recipe, prove=False)
    from edgeq.data.open import open_dataset
    from edgeq.graph.signature import input_specs

    dataset = open_dataset("digits", input_specs(made.model), samples=100)
    proofs = prove_in("web", ProofSubject(made.model), dataset)
    assert proofs[0].runtime == "web in Node"
    for proof in proofs:
        assert {op.op_type for op in proof.operators if op.integer} >= {"QLinearConv", "QLinearAdd"}
        assert proof.distance is not None
        assert proof.differing is not None
        assert all(one.op_types == ("Add",) and one.most == 1 and one.share < 0.05 for one in proof.differing)
        assert proof.distance.outputs[0].agreement == 1.0
        assert proof.distance.outputs[0].sqnr_db > 40


def test_a_model_that_it_does_not_take_is_refused() -> None:
    if package_version() is None:
        pytest.skip("needs Node and the npm package onnxruntime-web, in node_modules here or above")
    import onnx
    import onnx.parser

    text = '<ir_version: 8, opset_import: ["": 17, "nobody": 1]> net (float[1,4] x) => (float[1,4] y) { y = nobody.Foo(x) }'
    model = onnx.parser.parse_model(text)
    with pytest.raises(RuntimeRefused, match="onnxruntime-web does not run the model"):
        list(RUNTIME.open(Request(model.SerializeToString(), 1, 1, "")))


def test_arrays_survive_the_wire() -> None:
    from edgeq.runtimes.web.server import Message

    array = np.arange(5, dtype=np.int64)
    found = Message.of(Message({"dims": [5]}, array.tobytes()).packed())
    assert found.header == {"dims": [5]}
    assert np.array_equal(np.frombuffer(found.raw, np.int64), array)
