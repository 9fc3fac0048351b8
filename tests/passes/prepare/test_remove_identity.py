"""RemoveIdentity: what does nothing goes, what names an output stays."""

from __future__ import annotations

from edgeq.graph.read import nodes
from edgeq.passes.prepare.remove_identity import RemoveIdentity
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines


def test_idle_nodes_go_and_output_names_stay() -> None:
    model = named_model("identities")
    assert RemoveIdentity()(model).modified
    assert lines(model) == ["y = Relu(x)", "z = Identity(x)", "o = Identity(y)"]


def test_a_dropout_that_trains_stays() -> None:
    model = named_model("identities")
    dropout = next(node for node in nodes(model) if node.op_type == "Dropout")
    dropout.resize_inputs(3)
    dropout.replace_input_with(2, model.graph.inputs[0])  # a training mode that only a run knows
    RemoveIdentity()(model)
    assert "Dropout" in {node.op_type for node in nodes(model)}
