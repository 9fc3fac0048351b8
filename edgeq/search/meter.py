"""Measure plans by their worst output, on samples that judge and on those that were fitted to."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeq.refine.judge import Judge
from edgeq.schema.plan import Plan
from edgeq.search.builder import Builder
from edgeq.search.candidates import Candidate

#: an output below this SQNR (dB) is useless: its noise has more than a tenth of its energy
USELESS_DB = 10.0
#: the least that the samples that judge must show: 1 dB more, since other samples differ
LEAST_DB = 11.0


@dataclass(frozen=True, eq=False)
class Meter:
    """Measures plans and candidates by their worst output, in dB."""

    builder: Builder
    #: measures on all samples that judge
    judge: Judge
    #: measures on a few of them
    few: Judge
    #: measures on those that were fitted to, or a part of them
    fitted: Judge
    _drafts: dict[str, float] = field(default_factory=dict)

    def worst_db(self, plan: Plan, *, rank: bool = False) -> float:
        """SQNR of the worst output of a plan's model."""
        return (self.few if rank else self.judge).score(self.builder.model(plan), "with layers in float").worst_db

    def fitted_db(self, candidate: Candidate) -> float:
        """The same as `draft_db` on the samples that were fitted to."""
        key = f"{candidate.key} fitted"
        if key not in self._drafts:
            plan = self.builder.draft(candidate)
            self._drafts[key] = -float("inf") if plan is None else self.served_db(plan)
        return self._drafts[key]

    def served_db(self, plan: Plan) -> float:
        """SQNR of the worst output of a plan's model on the samples that were fitted to."""
        return self.fitted.score(self.builder.model(plan), "what was fitted to").worst_db

    def serves(self, candidate: Candidate) -> bool:
        """Whether a candidate is of use on both kinds of samples."""
        return self.draft_db(candidate) >= LEAST_DB and self.fitted_db(candidate) >= USELESS_DB

    def draft_db(self, candidate: Candidate, *, rank: bool = False) -> float:
        """SQNR of a candidate's worst output before biases are corrected; -inf: not to be built."""
        key = f"{candidate.key} {rank}"
        if key not in self._drafts:
            plan = self.builder.draft(candidate)
            self._drafts[key] = -float("inf") if plan is None else self.worst_db(plan, rank=rank)
        return self._drafts[key]
