"""Measure plans by their worst output, on samples that judge and on those that were fitted to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from edgeq.data.dataset import Dataset
from edgeq.engines.current import current_engine
from edgeq.engines.protocol import Job, Opened
from edgeq.progress import Progress, Silent
from edgeq.refine.draft import Draft
from edgeq.refine.judge import Judge, Judged
from edgeq.schema.plan import Plan
from edgeq.schema.task import Task
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
        key = _key(candidate, rank=rank)
        if key not in self._drafts:
            plan = self.builder.draft(candidate)
            self._drafts[key] = -float("inf") if plan is None else self.worst_db(plan, rank=rank)
        return self._drafts[key]

    def rank_ahead(self, candidates: Sequence[Candidate]) -> None:
        """Let workers measure candidates that are about to be ranked, where there are several."""
        new = [one for one in candidates if _key(one, rank=True) not in self._drafts]
        if current_engine().workers < 2 or len(new) < 2:
            return
        builder = self.builder
        setup = _Setup(builder.base.task, builder.base.plan, builder.default, builder.data.unjudged(), self.few.judged)
        for place, found in current_engine().run(Job(_open, setup), new, Silent()):
            self._drafts[_key(new[place], rank=True)] = found


def _key(candidate: Candidate, *, rank: bool) -> str:
    return f"{candidate.key} {rank}"


@dataclass(frozen=True, eq=False)
class _Setup:
    task: Task
    #: the plans before and after biases were corrected
    draft: Plan
    default: Plan
    #: calibration data, and what candidates are ranked on
    fitted: Dataset
    judged: Judged


@contextmanager
def _open(setup: _Setup) -> Iterator[Opened[Candidate, float]]:
    judge = Judge.made(setup.judged, Silent())
    meter = Meter(Builder(Draft.of(setup.task, setup.draft), setup.default, setup.fitted), judge, judge, judge)

    def work(candidate: Candidate, _: Progress) -> float:
        return meter.draft_db(candidate, rank=True)

    yield work
