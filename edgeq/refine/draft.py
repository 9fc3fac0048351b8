"""A plan in the making: its task, the float model as its grids see it, and its layers."""

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
    """A plan that is still being refined, with everything that further decisions need."""

    task: Task
    #: the task's float model as the plan's grids see it: equalized, with migrated scales
    model: ir.Model
    plan: Plan

    @classmethod
    def of(cls, task: Task, plan: Plan) -> Draft:
        """The draft of a plan for the task. Raises BadPlan if the plan is for another model."""
        return cls(task, in_floats(task.model, plan), plan)

    @cached_property
    def layers(self) -> tuple[Weighted, ...]:
        """The layers whose weights can be rounded freely, in graph order."""
        return weighted_layers(self.model, self.plan, self.task.target)

    @cached_property
    def tables(self) -> dict[str, ir.Node]:
        """The Gathers that read embedding tables, by weight_key of the table."""
        return {key: n for n in nodes(self.model) if (key := weight_key(n.name, 0)) in self.plan.weights and is_embedding(n)}

    def with_plan(self, plan: Plan) -> Draft:
        """A copy with another plan for the same float model."""
        return replace(self, plan=plan)

    def emulated(self, plan: Plan) -> ir.Model:
        """The integer model of a plan for the task."""
        return rewrite(self.task.model, plan, self.task.target)
