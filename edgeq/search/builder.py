"""Build the plans of candidates, with biases corrected for each one, and their models."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.refine.draft import Draft
from edgeq.refine.step_by_step.bias_correction import correct_biases
from edgeq.schema.plan import Plan
from edgeq.search.candidates import Candidate, candidate_plan
from edgeq.search.widening import Widening


@dataclass(frozen=True, eq=False)
class Builder:
    """Builds the plans and models of candidates."""

    #: the draft with the plan before its biases were corrected: a correction holds only for the
    #: errors it was made for, and a candidate has others
    base: Draft
    #: the finished plan that the search starts from
    default: Plan
    #: calibration data
    data: Dataset
    _made: dict[str, Plan | None] = field(default_factory=dict)
    _drafts: dict[str, Plan | None] = field(default_factory=dict)

    def plan(self, candidate: Candidate) -> Plan | None:
        """The candidate's plan as it would ship; None if its changes cannot be implemented."""
        if not candidate.changes:
            return self.default
        if candidate.key not in self._made:
            draft = self.draft(candidate)
            # where correcting the biases of the default made it worse, candidates go without, too
            corrects = self.default.biases != self.base.plan.biases
            self._made[candidate.key] = self._corrected(draft) if draft is not None and corrects else draft
        return self._made[candidate.key]

    def draft(self, candidate: Candidate) -> Plan | None:
        """The candidate's plan with uncorrected biases; None if its changes cannot be implemented.

        It is quick to make, and good for comparing drafts with each other and for timing.
        """
        if candidate.key not in self._drafts:
            wider = self.widening if candidate.wide else None
            self._drafts[candidate.key] = candidate_plan(self.base, candidate) if wider is None else wider.plan(candidate.wide)
        return self._drafts[candidate.key]

    @cached_property
    def widening(self) -> Widening | None:
        """The plans of 16 bits; None where the target has none. Runs the model when first asked."""
        return Widening.of(self.base, self.data)

    def model(self, plan: Plan) -> ir.Model:
        """The integer model of a plan."""
        return self.base.emulated(plan)

    def _corrected(self, plan: Plan) -> Plan:
        return correct_biases(self.base.with_plan(plan), self.base.layers, self.model, self.data)
