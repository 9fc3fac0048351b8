"""Steps: a pass runs where an operator that it is about is, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import onnx_ir as ir
import pytest

from edgeq.graph.read import nodes
from edgeq.rewrite.steps import Steps
from edgeq.testing.pass_laws import check_pass
from tests.graph_text import net


@dataclass(frozen=True)
class Becoming(ir.passes.InPlacePass):
    """Makes other nodes of some, and counts how often it was asked."""

    before: str
    after: str
    asked: list[str] = field(default_factory=list)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        self.asked.append(self.before)
        found = [node for node in nodes(model) if node.op_type == self.before]
        for node in found:
            node.op_type = self.after
        return ir.passes.PassResult(model, modified=bool(found))


class OfTanh(Becoming):
    """One that names its operator."""

    only_for: ClassVar[tuple[str, ...]] = ("Tanh",)


def test_a_pass_is_not_asked_where_none_of_its_operators_is() -> None:
    steps, step = Steps(net("y = Exp(x)")), OfTanh("Tanh", "Sin")
    assert not steps.run(step)
    assert step.asked == []


def test_a_pass_without_a_word_about_operators_is_always_asked() -> None:
    steps, step = Steps(net("y = Exp(x)")), Becoming("Tanh", "Sin")
    assert not steps.run(step)
    assert step.asked == ["Tanh"]


def test_what_a_pass_makes_is_known_to_the_next() -> None:
    steps, step = Steps(net("y = Exp(x)")), OfTanh("Tanh", "Sin")
    assert not steps.run(step)
    assert steps.run(Becoming("Exp", "Tanh"))
    assert steps.run(step)
    assert not steps.run(step)
    assert step.asked == ["Tanh"]


def test_operators_in_bodies_count() -> None:
    model = ir.from_onnx_text(
        """<ir_version: 8, opset_import: ["" : 17]> net (bool c, float x) => (float y) {
        y = If (c) <then_branch = a () => (float p) { p = Tanh (x) }, else_branch = b () => (float q) { q = Exp (x) }> }"""
    )
    assert Steps(model).run(OfTanh("Tanh", "Sin"))


def test_who_changes_the_model_otherwise_says_so() -> None:
    model = net("y = Exp(x)")
    steps, step = Steps(model), OfTanh("Tanh", "Sin")
    steps.run(step)
    model.graph.node(0).op_type = "Tanh"
    steps.forget()
    assert steps.run(step)


def test_a_pass_that_names_too_few_operators_breaks_the_law() -> None:
    with pytest.raises(AssertionError, match="law 6 of passes"):
        check_pass(OfTanh("Relu", "Relu"), net("y = Relu(x)"))
