"""Carry candidates out: their plans, with biases corrected for what each of them really adds, and
their models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.passes.quantize.equalize import Equalize
from edgeq.refine.bias_correction import correct_biases
from edgeq.refine.round_apart import Weighted, weighted_layers
from edgeq.rewrite.pipeline import rewrite
from edgeq.schema.plan import Plan
from edgeq.schema.scaling import factors_of
from edgeq.search.candidates import Base, Candidate, candidate_plan


@dataclass(frozen=True, eq=False)
class Builder:
    """base: with the plan as it was before its biases were corrected: a correction holds only for
    the errors it was made for, and a candidate has others. default: the finished plan. data: for
    calibration."""

    base: Base
    default: Plan
    data: Dataset
    _made: dict[str, Plan | None] = field(default_factory=dict)

    def plan(self, candidate: Candidate) -> Plan | None:
        """The candidate's plan as it would ship; None when its changes cannot be carried out."""
        if not candidate.floats:
            return self.default
        if candidate.key not in self._made:
            draft = candidate_plan(self.base, candidate)
            self._made[candidate.key] = None if draft is None else self._corrected(draft)
        return self._made[candidate.key]

    def draft(self, candidate: Candidate) -> Plan | None:
        """Its plan with uncorrected biases: quick, and good for comparing drafts with each other
        and for timing.
        """
        return candidate_plan(self.base, candidate)

    def model(self, plan: Plan) -> ir.Model:
        """The integer model of a plan."""
        return rewrite(self.base.model, plan, self.base.target)

    @cached_property
    def _equalized(self) -> tuple[ir.Model, tuple[Weighted, ...]]:
        """The float model that the plans' biases belong to, and its layers."""
        model = self.base.model.clone()
        Equalize(factors_of(self.default.equalization))(model)
        return model, weighted_layers(model, self.base.plan, self.base.target)

    def _corrected(self, draft: Plan) -> Plan:
        model, layers = self._equalized
        return correct_biases(model, draft, layers, self.model, self.data)
