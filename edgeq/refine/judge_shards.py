"""Compare an integer model with the float model run by run, by whatever engine there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.known_outputs import KnownOutputs
from edgeq.calibration.part_labels import PartLabels
from edgeq.data.dataset import Batch, Dataset
from edgeq.data.sharded import over_samples
from edgeq.data.survey import Seen
from edgeq.engines.protocol import Opened
from edgeq.engines.sent import Sent
from edgeq.numerics.output_sums import OutputSums
from edgeq.progress import Progress
from edgeq.runtimes.ort import Optimize, Session, open_session

#: what one run adds to the sums of the outputs, in their order
Pair = list[OutputSums]


@dataclass(eq=False)
class FloatSide:
    """The float model: its outputs, which are kept, and their parts."""

    model: ir.Model
    known: KnownOutputs

    @classmethod
    def of(cls, model: ir.Model) -> FloatSide:
        """The model on one thread: a score depends on no number of cores."""
        return cls(model, KnownOutputs(model, threads=1))

    @cached_property
    def parts(self) -> PartLabels:
        """What Concats join in the outputs of the float model, and what is random in them."""
        return PartLabels(self.model, 1)

    def empty(self, outputs: tuple[str, ...]) -> Pair:
        """The sums of outputs over no run."""
        parts = self.parts
        return [OutputSums(one, parts.names.get(one, ()), random=parts.random.get(one), errors_only=True) for one in outputs]

    def pair(self, piece: Batch, session: Session) -> Pair:
        """What one run of both models adds."""
        found, labels = self.empty(session.outputs), self.parts.of(piece.feeds)
        for one, wanted, got in zip(found, self.known.of(piece), session.run(piece.feeds), strict=True):
            one.add(wanted, got, labels.get(one.name))
        return found


@dataclass(frozen=True, eq=False)
class _Setup:
    floats: Sent
    integers: Sent
    optimize: Optimize
    data: Dataset
    #: names the float model with its data: a worker keeps its outputs for the next model
    key: str


def pairs_by_workers(floats: Sent, integers: ir.Model, optimize: Optimize, data: Dataset, key: str, progress: Progress) -> Iterator[Pair]:
    """What each run of both models adds, in the order of the data.

    key: names the float model with its data, the same for every model that is compared with it.
    """
    for found in over_samples(_shards, _Setup(floats, Sent.of(integers), optimize, data, key), data, progress):
        yield from found


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
                for piece in setup.data.batches(1, samples.start, samples.stop):
                    found.append(side.pair(piece, session))
                    progress.advance(len(piece.samples))
            return found, setup.data.survey.seen_of(samples)

        yield work
        side.known.rest()
