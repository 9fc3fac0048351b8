"""The message for runtimes says what onnx_ir's own serialization says, but for notes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.data.shipped import shipped_model
from edgeq.graph.forms.bare_proto import bare_proto
from edgeq.io.load import load_model
from edgeq.testing.case import Case
from edgeq.testing.operator_cases import ALL
from edgeq.testing.operator_nets import build

#: a branch, an input and an output left out, dimensions with and without names
FLOW = """<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
net (float[N, 3, M] x, bool c, seq(float[N, ?]) s) => (float[N, 3, M] y, seq(float[N, ?]) t)
<float[3, 1] w = {1, 2, 3}, float high = {6}>
{
    a = Clip(x, , high)
    b = If (c) <then_branch = one () => (float[N, 3, M] p) { p = Mul (a, w) }, else_branch = two () => (float[N, 3, M] q) { q = Relu (a) }>
    d = com.microsoft.Gelu (b)
    y, mask = Dropout (d)
    t = Identity (s)
}
"""


def same(model: ir.Model) -> bool:
    """Whether both ways lead to the same message: the order of value_info is the same, too."""
    ours, theirs = bare_proto(model), ir.to_proto(model)
    theirs.ClearField("producer_name")
    theirs.ClearField("producer_version")
    return ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)


def test_of_a_network() -> None:
    assert same(load_model(shipped_model("digits")).model)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_of_every_operator(case: Case) -> None:
    assert same(ir.from_proto(build(case)))


def test_of_branches_sequences_and_operands_left_out() -> None:
    assert same(ir.from_onnx_text(FLOW))


def test_of_weights_that_are_inputs_too_and_of_records() -> None:
    model = ir.from_onnx_text(FLOW)
    model.graph.inputs.append(model.graph.initializers["w"])
    model.metadata_props.update({"b": "1", "a": "2"})
    assert same(model)


def test_a_value_without_a_type_is_named_by_its_node_alone() -> None:
    model = ir.from_onnx_text(FLOW)
    model.graph.node(0).outputs[0].type = None
    assert "a" not in {info.name for info in bare_proto(model).graph.value_info}


def test_notes_of_exporters_are_left_out() -> None:
    model = ir.from_onnx_text(FLOW)
    model.graph.node(0).metadata_props["module"] = "net.clip"
    model.graph.node(0).doc_string = "a line of a file"
    assert same(ir.from_proto(bare_proto(model)))
    assert b"net.clip" not in bare_proto(model).SerializeToString()


def test_other_inputs_and_initializers_take_the_place_of_the_models_own() -> None:
    model = ir.from_onnx_text(FLOW)
    made = bare_proto(model, inputs=[*model.graph.inputs, *model.graph.initializers.values()], initializers=[])
    assert [value.name for value in made.graph.input] == ["x", "c", "s", "w", "high"]
    assert not made.graph.initializer
    onnx.checker.check_model(made)


def test_a_tensor_gets_the_name_of_its_value() -> None:
    model = ir.from_onnx_text(FLOW)
    model.graph.initializers["w"].const_value = ir.Tensor(np.ones((3, 1), np.float32), name="other")
    assert "w" in {tensor.name for tensor in bare_proto(model).graph.initializer}
