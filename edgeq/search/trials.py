"""Measure candidates as they would ship: run in the real runtime, against the float model.

Each measurement is noted in a journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from time import monotonic
from typing import TypeVar, cast

import onnx_ir as ir

from edgeq.calibration.pairs.known_outputs import KnownOutputs
from edgeq.data.dataset import Batch, Dataset
from edgeq.progress import Progress
from edgeq.proof.compare import CompareSettings, check_floors, compare_models
from edgeq.proof.latency import Timing, margin, measure_latency
from edgeq.schema.plan import Plan
from edgeq.schema.provenance import Gate
from edgeq.schema.recipe import Recipe
from edgeq.search.builder import Builder
from edgeq.search.candidates import Candidate, integer_share
from edgeq.search.journal import Journal, Judgement, Look, NotBuilt, Ranking, Record
from edgeq.search.points import Point
from edgeq.search.widening import wide_share

#: number of samples that suffice to rank layers, and of pieces in which they are spread over the
#: data (neighbours may be alike)
RANKING_SAMPLES, RANKING_PIECES = 128, 16
#: seconds of a first timing, and of one that decides
GLANCE_S, LOOK_S = 1.0, 3.0
#: threads of the timings that decide: one, as on small devices, and onnxruntime's own choice
THREADS = (1, 0)

#: the kind of record that a measurement gives
R = TypeVar("R", bound=Record)


class OutOfTime(Exception):
    """The minutes of the search are over; no measurement was started."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A part of a data set, spread evenly, without labels and metric."""

    whole: Dataset
    #: how many samples, about
    size: int = RANKING_SAMPLES
    #: in how many ranges of neighbours
    ranges: int = RANKING_PIECES
    labels: None = None
    metric: None = None

    @property
    def name(self) -> str:
        return self.whole.name

    @cached_property
    def pieces(self) -> tuple[range, ...]:
        """Ranges of sample indices."""
        step = self.whole.fixed_batch or 1
        size = max(self.size // self.ranges // step, 1) * step
        starts = sorted({place * self.whole.count // self.ranges // step * step for place in range(self.ranges)})
        if size * self.ranges >= self.whole.count:
            return (range(self.whole.count),)
        return tuple(range(start, min(start + size, self.whole.count)) for start in starts)

    @property
    def count(self) -> int:
        return sum(len(piece) for piece in self.pieces)

    def batches(self, batch: int) -> Iterator[Batch]:
        for piece in self.pieces:
            yield from self.whole.batches(batch, piece.start, piece.stop)


@dataclass(frozen=True, eq=False)
class Trials:
    """Measures candidates."""

    #: the user's float model
    original: ir.Model
    builder: Builder
    #: what candidates are measured on
    data: Dataset
    recipe: Recipe
    journal: Journal
    progress: Progress
    #: no measurement starts after `clock` (seconds) reaches this
    stops: float
    #: called with every judged or timed point
    seen: Callable[[Point], None]
    #: bytes of the file of a plan (SearchTask.size)
    size: Callable[[Plan, ir.Model, Gate], int]
    clock: Callable[[], float] = monotonic

    @cached_property
    def known(self) -> KnownOutputs:
        """The float model with its outputs, which all candidates are compared with."""
        return KnownOutputs(self.original)

    def judge(self, candidate: Candidate) -> Point | None:
        """Fidelity, accuracy, integer share and size on all data; None if it cannot be built.

        Raises OutOfTime.
        """
        record = self._measured(f"judge {candidate.key}", candidate, self._judge)
        if record["bytes"] is None:
            return None
        point = _point(candidate, record)
        self.seen(point)
        return point

    def rank(self, candidate: Candidate) -> float | None:
        """SQNR (dB) of the draft on a part of the data; None if it cannot be built.

        Raises OutOfTime.
        """
        found = self._measured(f"rank {candidate.key}", candidate, self._rank)["sqnr_db"]
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
            feeds = next(iter(self.data.batches(1, 0, self.data.fixed_batch or 1))).feeds
            found = measure_latency(self.original, self.builder.model(plan), feeds, threads=threads, timing=Timing(budget_s=seconds))
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

    def _rank(self, candidate: Candidate) -> Ranking:
        plan = self.builder.draft(candidate)
        if plan is None:
            return {"sqnr_db": None}
        settings = CompareSettings.on(self.builder.base.task.target, self.recipe.batch)
        found = compare_models(self.original, self.builder.model(plan), Sample(self.data), settings, known=self.known)
        return {"sqnr_db": found.weakest.sqnr_db}

    def _judge(self, candidate: Candidate) -> Judgement | NotBuilt:
        plan = self.builder.plan(candidate)
        if plan is None:
            return {"bytes": None}
        model = self.builder.model(plan)
        settings = CompareSettings.on(self.builder.base.task.target, self.recipe.batch)
        found = compare_models(self.original, model, self.data, settings, known=self.known)
        task, missed = found.accuracy, check_floors(found, self.recipe.floors)
        return {
            "sqnr_db": found.weakest.sqnr_db,
            "agreement": found.top1_agreement,
            "accuracy": None if task is None else task.int8,
            "integer_pct": integer_share(self.builder.base.task.model, plan),
            "wide_pct": wide_share(plan.grids),
            "bytes": self.size(plan, model, ("failed" if missed else "passed") if self.recipe.floors.wanted else "none"),
            "missed": list(missed),
        }


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
