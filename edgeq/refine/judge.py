"""Judge integer models on samples that decide: how far each is from the float model's outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx_ir as ir
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.memory import return_freed_memory
from edgeq.calibration.pairs.known_outputs import KnownOutputs
from edgeq.calibration.pairs.shards import Asked, FloatSide, OnWorkers, Pair
from edgeq.data.dataset import Batch, Dataset
from edgeq.data.held_out import places_in
from edgeq.engines.current import current_engine
from edgeq.numerics.output_fidelity import OutputFidelity, judged
from edgeq.numerics.output_sums import OutputSums
from edgeq.progress import Progress
from edgeq.runtimes.ort import Optimize, open_session
from edgeq.schema.target import Target

#: a fall of the SQNR by less is none, in dB: 1 % of the noise, less than other samples would change
TIE_DB = 0.05
#: an SQNR beyond these, dB, counts as these: float32 itself has 24 bits, 144 dB, so that equal
#: outputs (inf) do not outweigh all others in a mean
LIMIT_DB = 144.0
#: what a score is made of
ERRORS = Asked(errors_only=True)


class Judging(Protocol):
    """Samples that judge."""

    @property
    def count(self) -> int: ...

    def batches(self, batch: int) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Score:
    """How close an integer model is to the float model, in dB."""

    #: SQNR of the output, or of the part of one, that is farthest from float, which floors judge
    worst_db: float
    #: mean over the outputs and their parts, so that the others count as well
    mean_db: float

    def raised(self, gain_db: float) -> Score:
        """The score of a model that is better by this in both numbers."""
        return Score(self.worst_db + gain_db, self.mean_db + gain_db)

    def is_below(self, other: Score) -> bool:
        """Whether either number is lower than that of the other score, by TIE_DB or more."""
        return self.worst_db <= other.worst_db - TIE_DB or self.mean_db <= other.mean_db - TIE_DB


@dataclass(frozen=True, eq=False)
class Judged:
    """What a judge is made of; it travels to workers."""

    #: the float model
    model: ir.Model
    data: Judging
    #: optimizations of the models that are judged
    optimize: Optimize


class Judge:
    """Measures models on the samples of a data set; the float model runs once, for all of them.

    Every sample runs alone, on one thread: a score depends neither on a batch size nor on the
    number of cores, so that the same input gives the same plan.
    """

    def __init__(self, model: ir.Model, data: Judging, progress: Progress, optimize: Optimize = "all") -> None:
        """model: the float model. optimize: optimizations of the models that are judged."""
        self.data, self._floats = data, FloatSide.of(model)
        self._model, self._progress, self._optimize = model, progress, optimize
        self._by_workers: OnWorkers | None = None

    @property
    def known(self) -> KnownOutputs:
        """The float model with its outputs on the samples."""
        return self._floats.known

    @classmethod
    def of(cls, model: ir.Model, data: Dataset, target: Target, progress: Progress) -> Judge:
        """The judge of models for a target.

        Those of another runtime or architecture run without fused kernels: these could saturate
        where the target's do not.
        """
        return cls(model, data, progress, "all" if target.runs_here else "off")

    @classmethod
    def made(cls, judged: Judged, progress: Progress) -> Judge:
        """The judge of such models on such samples."""
        return cls(judged.model, judged.data, progress, judged.optimize)

    @property
    def judged(self) -> Judged:
        """What it is made of."""
        return Judged(self._model, self.data, self._optimize)

    def on(self, data: Judging) -> Judge:
        """A judge on other samples of the same data set.

        For some of these samples, the float model has not to run again.
        """
        other = Judge(self._model, data, self._progress, self._optimize)
        kept = places_in(data, self.data) if isinstance(data, Dataset) and isinstance(self.data, Dataset) else None
        if kept is not None:
            other._floats = self._floats.of_part(kept)
        return other

    def score(self, model: ir.Model, name: str) -> Score:
        """The score of an integer model. name: what progress calls it."""
        self._progress.start(f"judge {name}", self.data.count)
        sums = list[OutputSums]()
        with threadpool_limits(1, user_api="blas"):  # sums in one order, whatever the number of threads
            for pair in self._pairs(model):
                if sums:
                    for one, more in zip(sums, pair.sums, strict=True):
                        one.merge(more)
                else:
                    sums = pair.sums
        return_freed_memory()
        return score_of([one.fidelity() for one in sums])

    def _pairs(self, model: ir.Model) -> Iterator[Pair]:
        """What each run adds, in the order of the data."""
        if isinstance(self.data, Dataset) and current_engine().workers > 1:
            self._by_workers = self._by_workers or OnWorkers(self._floats, self.data, ERRORS)
            yield from self._by_workers.pairs(model, self._optimize, self._progress)
            return
        session = open_session(model, threads=1, optimize=self._optimize, arena=False)
        for piece in self.data.batches(1):
            yield self._floats.pair(piece, session, ERRORS)
            self._progress.advance(len(piece.samples))
        self.known.rest()


def score_of(outputs: Sequence[OutputFidelity]) -> Score:
    """The score of a model with these outputs: of floating-point numbers, if there are any.

    An output with a NaN or an infinity that the float model does not have counts as the worst.
    """
    found = [-LIMIT_DB if output.nonfinite else _limited(part.sqnr_db) for output in judged(outputs) for part in output.parts or (output,)]
    return Score(min(found), float(np.mean(found)))


def _limited(sqnr_db: float) -> float:
    """The SQNR within LIMIT_DB; NaN counts as the worst."""
    return -LIMIT_DB if math.isnan(sqnr_db) else min(max(sqnr_db, -LIMIT_DB), LIMIT_DB)
