"""A plan in the making: its task, the float model as its grids see it, and its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import onnx_ir as ir

from edgeq.graph.read import initializer_bytes, nodes
from edgeq.planning.embeddings import is_embedding
from edgeq.refine.weighted import Weighted, weighted_layers
from edgeq.rewrite.pipeline import in_floats, rewrite
from edgeq.schema.plan import Plan
from edgeq.schema.task import Task
from edgeq.schema.weights import WeightPlan, weight_key

#: bytes of the constants of a model that is kept for the next question; a larger one is made again
HELD_BYTES = 64 << 20


@dataclass(eq=False)
class LastEmulated:
    """The integer model that was made last: the next question is often about the same plan.

    The judge runs the model of a plan, and biases are corrected on it.
    """

    #: the plan, and its model; None: none was made yet
    held: tuple[Plan, ir.Model] | None = None
    #: exponents, and the task's model as they scale it: its weights are scaled, and the large ones
    #: written into files, once for all plans with these exponents
    scaled: tuple[Mapping[str, tuple[int, ...]], ir.Model] | None = None

    def of(self, plan: Plan, make: Callable[[Plan], ir.Model]) -> ir.Model:
        """The model of a plan, which nobody may change. make: makes it."""
        if self.held is not None and self.held[0] is plan:
            return self.held[1]
        self.held = None  # first: two models are not held at a time
        made = make(plan)
        self.held = (plan, made) if initializer_bytes(made) <= HELD_BYTES else None
        return made


@dataclass(frozen=True)
class Rounding:
    """What rounding made of a weight that some layers use alike."""

    #: by weight_key
    weights: Mapping[str, WeightPlan]
    #: by node
    biases: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class Draft:
    """A plan that is still being refined, with everything that further decisions need."""

    task: Task
    #: the task's float model as the plan's grids see it: equalized, with migrated scales
    model: ir.Model
    plan: Plan
    #: what all drafts for the task share
    last: LastEmulated = field(default_factory=LastEmulated)
    #: the roundings so far, by what they depend on: a step that is tried again leaves most layers
    #: as they were. Drafts for the task share them as well
    roundings: dict[bytes, Rounding] = field(default_factory=dict)

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
        """The integer model of a plan for the task, which the caller may change."""
        scaled = self.last.scaled
        if scaled is None or scaled[0] != plan.equalization or plan.factors:
            return rewrite(self.task.model, plan, self.task.target)
        return rewrite(scaled[1], plan, self.task.target, equalized=True)

    def shown(self, plan: Plan) -> ir.Model:
        """The integer model of a plan for the task, to run and to read: others hold it as well."""
        return self.last.of(plan, self.emulated)
