"""RemoveIdentity, RemoveUnread, LiftConstants: what does nothing goes, what names an output
stays.
"""

from __future__ import annotations

from edgeq.graph.edit import vanished
from edgeq.graph.read import nodes
from edgeq.passes.prepare.lift_constants import LiftConstants
from edgeq.passes.prepare.remove_identity import RemoveIdentity
from edgeq.passes.prepare.remove_unread import RemoveUnread
from tests.passes.prepare.test_fold_batch_norm import lines, shaped


def test_idle_nodes_go_and_output_names_stay() -> None:
    model = shaped("identities")
    assert RemoveIdentity()(model).modified
    assert lines(model) == ["y = Relu(x)", "z = Identity(x)", "o = Identity(y)"]


def test_a_dropout_that_trains_stays() -> None:
    model = shaped("identities")
    dropout = next(node for node in nodes(model) if node.op_type == "Dropout")
    dropout.resize_inputs(3)
    dropout.replace_input_with(2, model.graph.inputs[0])  # a training mode that only a run knows
    RemoveIdentity()(model)
    assert "Dropout" in {node.op_type for node in nodes(model)}


def test_unread_branches_go() -> None:
    model = shaped("unread_branch")
    assert RemoveUnread()(model).modified
    assert lines(model) == ["y = Add(x, k)"]
    assert list(model.graph.initializers) == ["k"]
    assert set(vanished(model)) == {"Mul_1", "Exp_2"}


def test_constants_become_initializers_unless_they_are_outputs() -> None:
    model = shaped("constant_nodes")
    assert LiftConstants()(model).modified
    assert lines(model) == ["k = Constant()", "c = Mul(x, a)", "y = Add(c, b)"]
    assert vanished(model) == {"Constant_0": "became an initializer", "Constant_1": "became an initializer"}
