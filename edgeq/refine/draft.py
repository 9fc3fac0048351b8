"""A plan on its way: what it is made for, the float model as its grids see it, and its layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.planning.embeddings import is_embedding
from edgeq.refine.weighted import Weighted, weighted_layers
from edgeq.rewrite.pipeline import in_floats, rewrite
from edgeq.schema.plan import Plan
from edgeq.schema.task import Task
from edgeq.schema.weights import weight_key


@dataclass(frozen=True, eq=False)
class Draft:
    """A plan that more is decided about, with all that decisions need to know."""

    task: Task
    #: the float model as the plan's grids see it: that of the task, equalized, its scales migrated
    model: ir.Model
    plan: Plan

    @classmethod
    def of(cls, task: Task, plan: Plan) -> Draft:
        """Of a plan for the task. Raises BadPlan when it is one for another model."""
        return cls(task, in_floats(task.model, plan), plan)

    @cached_property
    def layers(self) -> tuple[Weighted, ...]:
        """The layers whose weights rounding can choose, in graph order."""
        return weighted_layers(self.model, self.plan, self.task.target)

    @cached_property
    def tables(self) -> dict[str, ir.Node]:
        """Key of the weight -> the Gather that reads an embedding table."""
        return {key: n for n in nodes(self.model) if (key := weight_key(n.name, 0)) in self.plan.weights and is_embedding(n)}

    def with_plan(self, plan: Plan) -> Draft:
        """With another plan for the same float model."""
        return replace(self, plan=plan)

    def emulated(self, plan: Plan) -> ir.Model:
        """The integer model of a plan for the task."""
        return rewrite(self.task.model, plan, self.task.target)
