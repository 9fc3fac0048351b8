"""Measure candidates as they would ship: run in the real runtime, against the float model.

Each measurement is noted in a journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import TypeVar, cast

from edgeq.progress import Progress
from edgeq.proof.latency import Timing, margin, measure_latency
from edgeq.search.ahead import Ahead, Kind
from edgeq.search.builder import Builder
from edgeq.search.candidates import Candidate
from edgeq.search.journal import Journal, Judgement, Look, Record
from edgeq.search.measures import Measures
from edgeq.search.points import Point

#: seconds of a first timing, and of one that decides
GLANCE_S, LOOK_S = 1.0, 3.0
#: threads of the timings that decide: one, as on small devices, and onnxruntime's own choice
THREADS = (1, 0)

#: the kind of record that a measurement gives
R = TypeVar("R", bound=Record)


class OutOfTime(Exception):
    """The minutes of the search are over; no measurement was started."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Measures candidates."""

    measures: Measures
    #: what workers have measured before it is asked for
    ahead: Ahead
    journal: Journal
    progress: Progress
    #: no measurement starts after `clock` (seconds) reaches this
    stops: float
    #: called with every judged or timed point
    seen: Callable[[Point], None]
    clock: Callable[[], float] = monotonic

    @property
    def builder(self) -> Builder:
        """What makes the plans and models of candidates."""
        return self.measures.builder

    def expect(self, kind: Kind, candidates: Iterable[Candidate]) -> None:
        """Let workers measure candidates that are about to be asked for, where there are several.

        Neither what comes of the search nor its journal depends on it.
        """
        new = [one for one in candidates if self.journal.get(f"{kind} {one.key}") is None]
        if self.clock() < self.stops:
            self.ahead.measure(kind, new)

    def judge(self, candidate: Candidate) -> Point | None:
        """Fidelity, accuracy, integer share and size on all data; None if it cannot be built.

        Raises OutOfTime.
        """
        record = self._measured(f"judge {candidate.key}", candidate, partial(self._ahead, "judge", self.measures.judge))
        if record["bytes"] is None:
            return None
        point = _point(candidate, record)
        self.seen(point)
        return point

    def rank(self, candidate: Candidate) -> float | None:
        """SQNR (dB) of the draft on a part of the data; None if it cannot be built.

        Raises OutOfTime.
        """
        found = self._measured(f"rank {candidate.key}", candidate, partial(self._ahead, "rank", self.measures.rank))["sqnr_db"]
        return None if found is None else float(found)

    def time(self, point: Point, *, sure: bool = False) -> Point:
        """The point with its latency. Raises OutOfTime.

        It is a short timing with one thread or, if `sure`, the worst of longer ones with each of
        THREADS. The margin is that of one thread, which other work on the machine disturbs less.
        """
        looks = [self._timing(point.candidate, threads, LOOK_S) for threads in THREADS] if sure else []
        looks = looks or [self._timing(point.candidate, THREADS[0], GLANCE_S)]
        timed = replace(point, ratio=max(ratio for ratio, _ in looks), margin=looks[0][1], sure=sure)
        self.seen(timed)
        return timed

    def _timing(self, candidate: Candidate, threads: int, seconds: float) -> tuple[float, float]:
        def work(wanted: Candidate) -> Look:
            plan = self.builder.draft(wanted)
            assert plan is not None  # it was judged
            data = self.measures.data
            feeds = next(iter(data.batches(1, 0, data.fixed_batch or 1))).feeds
            found = measure_latency(
                self.measures.original, self.builder.model(plan), feeds, threads=threads, timing=Timing(budget_s=seconds)
            )
            return {"ratio": found.paired, "margin": margin(found)}

        record = self._measured(f"time {threads} {seconds:g} {candidate.key}", candidate, work)
        return float(record["ratio"]), float(record["margin"])

    def _measured(self, key: str, candidate: Candidate, work: Callable[[Candidate], R]) -> R:
        """The measurement from the journal, or a new one that is added to it."""
        known = self.journal.get(key)
        if known is None:
            # the default is measured in any case: there must be something to choose
            if candidate.changes and self.clock() >= self.stops:
                raise OutOfTime
            self.journal.put(key, {"name": candidate.name, **work(candidate)})
            known = self.journal.records[key]
        self.progress.advance()
        return cast(R, known)  # what `work` once noted under this key

    def _ahead(self, kind: Kind, measure: Callable[[Candidate], R], candidate: Candidate) -> R:
        """What a worker has measured, or else what is measured now."""
        found = self.ahead.found.get((kind, candidate.key))
        return measure(candidate) if found is None else cast(R, found)


def _point(candidate: Candidate, found: Judgement) -> Point:
    return Point(
        candidate,
        sqnr_db=found["sqnr_db"],
        agreement=found["agreement"],
        accuracy=found["accuracy"],
        integer_pct=found["integer_pct"],
        wide_pct=found["wide_pct"],
        bytes=found["bytes"],
        missed=tuple(found["missed"]),
    )
