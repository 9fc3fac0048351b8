"""LiftConstants: the outputs of Constant nodes become initializers, but for graph outputs."""

from __future__ import annotations

from edgeq.graph.edit import vanished
from edgeq.passes.prepare.lift_constants import LiftConstants
from edgeq.testing.pass_models import named_model
from tests.graph_text import lines


def test_constants_become_initializers_unless_they_are_outputs() -> None:
    model = named_model("constant_nodes")
    assert LiftConstants()(model).modified
    assert lines(model) == ["k = Constant()", "c = Mul(x, a)", "y = Add(c, b)"]
    assert vanished(model) == {"Constant_0": "became an initializer", "Constant_1": "became an initializer"}
