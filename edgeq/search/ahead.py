"""Let workers measure the candidates that a search is about to ask for.

The search stays what it is without them: it asks for one candidate after the other, and finds some
measured. What it does not come to ask for is forgotten, so that the result is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

from edgeq.data.dataset import Dataset
from edgeq.engines.current import current_engine
from edgeq.engines.protocol import Job, Opened
from edgeq.progress import Progress, Silent
from edgeq.refine.draft import Draft
from edgeq.rewrite.carry_out import size_as_written
from edgeq.rewrite.set_up import SetUp
from edgeq.schema.plan import Plan
from edgeq.search.builder import Builder
from edgeq.search.candidates import Candidate
from edgeq.search.journal import Judgement, NotBuilt, Ranking
from edgeq.search.measures import Measures

#: what is measured of a candidate; see Measures
Kind = Literal["judge", "rank"]
#: what is measured, and of which candidate
Wanted = tuple[Kind, Candidate]
Found = Judgement | NotBuilt | Ranking


@dataclass(frozen=True, eq=False)
class _Setup:
    setup: SetUp
    #: the plans before and after biases were corrected
    draft: Plan
    default: Plan
    #: calibration data, and what candidates are measured on
    fitted: Dataset
    data: Dataset


@dataclass(frozen=True, eq=False)
class Ahead:
    """Measurements that nobody has asked for yet."""

    setup: SetUp
    measures: Measures
    #: by kind and key of the candidate
    found: dict[tuple[Kind, str], Found] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """Candidates that are measured at once."""
        return current_engine().workers

    def measure(self, kind: Kind, candidates: Sequence[Candidate]) -> None:
        """Let workers measure these; returns when all are measured: timings come after it, alone.

        A metric of the user's own stays in this process, and so does what it judges.
        """
        metric = self.measures.data.metric
        new = [one for one in dict.fromkeys(candidates) if (kind, one.key) not in self.found]
        if self.workers < 2 or len(new) < 2 or (kind == "judge" and metric is not None and metric.function is not None):
            return
        for place, found in current_engine().run(self._job, [(kind, one) for one in new], Silent()):
            self.found[kind, new[place].key] = found

    @cached_property
    def _job(self) -> Job[_Setup, Wanted, Found]:
        builder, data = self.measures.builder, self.measures.data
        own = data.metric is not None and data.metric.function is not None
        setup = _Setup(self.setup, builder.base.plan, builder.default, builder.data.unjudged(), data.unjudged() if own else data)
        return Job(_open, setup, again=True)


@contextmanager
def _open(setup: _Setup) -> Iterator[Opened[Wanted, Found]]:
    task = setup.setup.task
    builder = Builder(Draft.of(task, setup.draft), setup.default, setup.fitted)
    measures = Measures(setup.setup.loaded.model, builder, setup.data, task.recipe, partial(size_as_written, setup.setup))

    def work(wanted: Wanted, _: Progress) -> Found:
        kind, candidate = wanted
        return measures.judge(candidate) if kind == "judge" else measures.rank(candidate)

    yield work
