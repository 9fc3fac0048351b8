"""What a search measures of a candidate: its noise on a part of the data, or all on all data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir

from edgeq.calibration.pairs.known_outputs import KnownOutputs
from edgeq.data.dataset import Batch, Dataset
from edgeq.proof.compare import CompareSettings, check_floors, compare_models
from edgeq.schema.plan import Plan
from edgeq.schema.provenance import Gate
from edgeq.schema.recipe import Recipe
from edgeq.search.builder import Builder
from edgeq.search.candidates import Candidate, integer_share
from edgeq.search.journal import Judgement, NotBuilt, Ranking
from edgeq.search.widening import wide_share

#: number of samples that suffice to rank layers, and of pieces in which they are spread over the
#: data (neighbours may be alike)
RANKING_SAMPLES, RANKING_PIECES = 128, 16


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
class Measures:
    """Measures candidates as they would ship: run in the real runtime, against the float model.

    What comes of it depends on the candidate alone, and on no number of cores.
    """

    #: the user's float model
    original: ir.Model
    builder: Builder
    #: what candidates are measured on
    data: Dataset
    recipe: Recipe
    #: bytes of the file of a plan (SearchTask.size)
    size: Callable[[Plan, ir.Model, Gate], int]

    @cached_property
    def known(self) -> KnownOutputs:
        """The float model with its outputs, which all candidates are compared with."""
        return KnownOutputs(self.original, threads=1)

    def rank(self, candidate: Candidate) -> Ranking:
        """The noise of the draft on a part of the data."""
        plan = self.builder.draft(candidate)
        if plan is None:
            return {"sqnr_db": None}
        settings = CompareSettings.on(self.builder.base.task.target, self.recipe.batch)
        found = compare_models(self.original, self.builder.model(plan), Sample(self.data), settings, known=self.known)
        return {"sqnr_db": found.weakest.sqnr_db}

    def judge(self, candidate: Candidate) -> Judgement | NotBuilt:
        """Fidelity, accuracy, integer share and size on all data."""
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
