"""RemoveUnread: nodes and constants that no output comes from go."""

from __future__ import annotations

from edgeq.graph.edit import vanished
from edgeq.passes.prepare.remove_unread import RemoveUnread
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines


def test_unread_branches_go() -> None:
    model = named_model("unread_branch")
    assert RemoveUnread()(model).modified
    assert lines(model) == ["y = Add(x, k)"]
    assert list(model.graph.initializers) == ["k"]
    assert set(vanished(model)) == {"Mul_1", "Exp_2"}
