"""Run an integer model beside the float model, run by run, on whatever engine there is.

The judge and the comparison read sums from it. Sums of floating-point numbers depend on the order:
they come run by run, and whoever adds them up does so in the order of the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import thread_time

import onnx_ir as ir
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.pairs.known_outputs import KnownOfPart, KnownOutputs
from edgeq.calibration.pairs.part_labels import PartLabels
from edgeq.data.dataset import Batch, Dataset
from edgeq.data.sharded import over_samples
from edgeq.data.survey import Seen
from edgeq.engines.parcel import packed
from edgeq.engines.protocol import Opened
from edgeq.engines.sent import Sent
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.output_sums import OutputSums
from edgeq.progress import Progress
from edgeq.runtimes.ort import Optimize, Session, open_session

#: seconds of one thread's work that are worth to be divided: a worker takes as long to open models
WORTH_S = 0.5
#: runs that tell how long one takes
FEW = 3


@dataclass(frozen=True)
class Asked:
    """What is asked of each pair of runs."""

    #: whether only sums of errors are; no equal elements, arg-max or samples are counted then
    errors_only: bool = False
    #: whether the data have class labels
    labelled: bool = False
    #: whether what both models gave comes along, for a metric
    outputs: bool = False


@dataclass(frozen=True, eq=False)
class Pair:
    """One run of both models."""

    #: global indices of the samples
    samples: range
    #: what the run adds to the sums of each output
    sums: list[OutputSums]
    #: whether all outputs have the same shapes in both models
    alike: bool
    #: what both models gave; None: it was not asked for
    outputs: tuple[list[AnyArray], list[AnyArray]] | None = None
    #: what both were fed; nothing where it was not asked for
    feeds: Mapping[str, AnyArray] = field(default_factory=dict)


@dataclass(eq=False)
class FloatSide:
    """The float model: its outputs, which are kept, and their parts."""

    model: ir.Model
    known: KnownOutputs
    _parts: dict[bool, PartLabels] = field(default_factory=dict)

    @classmethod
    def of(cls, model: ir.Model) -> FloatSide:
        """The model on one thread: a score depends on no number of cores."""
        return cls(model, KnownOutputs(model, threads=1))

    def of_part(self, kept: Sequence[int]) -> FloatSide:
        """The same for some samples of the data. kept: their places in it, in ascending order."""
        return FloatSide(self.model, KnownOfPart(self.known, kept), self._parts)

    def parts(self, *, labelled: bool = False) -> PartLabels:
        """What Concats join in the outputs of the float model, and what is random in them."""
        if labelled not in self._parts:
            self._parts[labelled] = PartLabels(self.model, 1, labelled=labelled)
        return self._parts[labelled]

    def pair(self, piece: Batch, session: Session, asked: Asked) -> Pair:
        """What one run of both models adds."""
        parts = self.parts(labelled=asked.labelled)
        labels, wanted, got = parts.of(piece.feeds), self.known.of(piece), session.run(piece.feeds)
        sums = [parts.sums(name, errors_only=asked.errors_only) for name in session.outputs]
        alike = [one.add(f, q, labels.get(one.name), len(piece.samples)) for one, f, q in zip(sums, wanted, got, strict=True)]
        return Pair(piece.samples, sums, all(alike), (wanted, got) if asked.outputs else None)


@dataclass(frozen=True, eq=False)
class _Setup:
    floats: Sent
    integers: Sent
    optimize: Optimize
    data: Dataset
    asked: Asked
    batch: int
    #: names the float model with its data: a worker keeps its outputs for the next model
    key: str


class OnWorkers:
    """Pairs of integer models with one float model on one data set, by workers."""

    def __init__(self, floats: FloatSide, data: Dataset, asked: Asked, batch: int = 1) -> None:
        self._floats, self._asked, self._batch = floats, asked, batch
        self._data, self._sent = data, Sent.of(floats.model)
        self._run_s: float | None = None
        self._key = ""

    def pairs(self, integers: ir.Model, optimize: Optimize, progress: Progress) -> Iterator[Pair]:
        """What each run of both models adds, in the order of the data.

        What takes less time than workers need to open the models is done here, and so are the first
        runs, which tell.
        """
        step, done = self._data.fixed_batch or self._batch, 0
        if self._run_s is None or self._seconds <= WORTH_S:
            session = open_session(integers, threads=1, optimize=optimize, arena=False)
            for piece in self._data.batches(self._batch):
                begun = thread_time()
                yield self._floats.pair(piece, session, self._asked)
                self._run_s = min(self._run_s or float("inf"), thread_time() - begun)
                progress.advance(len(piece.samples))
                done = piece.samples.stop
                if done >= FEW * step and done % step == 0 and self._seconds > WORTH_S:
                    break
            self._floats.known.rest()
        if done < self._data.count:
            self._key = self._key or packed((self._sent, self._data.unjudged())).digest
            setup = _Setup(self._sent, Sent.of(integers), optimize, self._data.unjudged(), self._asked, self._batch, self._key)
            for found in over_samples(_shards, setup, self._data, progress, done, step=step):
                yield from found

    @property
    def _seconds(self) -> float:
        """About how long one thread takes for all pairs of runs."""
        return (self._run_s or 0.0) * self._data.count / (self._data.fixed_batch or self._batch)


#: the float side that this worker has compared with last, by its key
_last: dict[str, FloatSide] = {}


@contextmanager
def _shards(setup: _Setup) -> Iterator[Opened[range, tuple[list[Pair], Seen]]]:
    if setup.key not in _last:
        _last.clear()
        _last[setup.key] = FloatSide.of(setup.floats.model)
    side = _last[setup.key]
    with open_session(setup.integers.to_open, threads=1, optimize=setup.optimize, arena=False) as session:

        def work(samples: range, progress: Progress) -> tuple[list[Pair], Seen]:
            found = list[Pair]()
            with threadpool_limits(1, user_api="blas"):
                for piece in setup.data.batches(setup.batch, samples.start, samples.stop):
                    found.append(side.pair(piece, session, setup.asked))
                    progress.advance(len(piece.samples))
            return found, setup.data.survey.seen_of(samples)

        yield work
        side.known.rest()
