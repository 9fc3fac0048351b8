"""Run the float model for every sample of a data set, several runs at once, and read values.

What a pass measures is a Measure: the engine of the run divides the samples among its workers, each
of which reads values for its shards; what comes of the shards is put together here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import onnx_ir as ir

from edgeq.calibration.memory import memory_budget, memory_limit, return_freed_memory, within_memory
from edgeq.calibration.value_reader import ValueReader
from edgeq.data.dataset import Batch, Dataset
from edgeq.data.sharded import over_samples
from edgeq.data.survey import Seen
from edgeq.engines.current import current_engine
from edgeq.engines.local import on_threads
from edgeq.engines.protocol import Job, O, Opened, P, Q, R, ranges
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Progress

T = TypeVar("T")
P_co = TypeVar("P_co", covariant=True)


class Run:
    """One run of the model: on one sample, or on as many as its fixed batch holds."""

    def __init__(self, batch: Batch, number: int, reader: ValueReader, worker: int) -> None:
        #: global indices of its samples
        self.samples = batch.samples
        #: its position among the runs over all samples, from 0
        self.number = number
        #: number of the thread that handles it: sums that each thread keeps for itself need no lock
        self.worker = worker
        self._batch, self._reader = batch, reader

    def each(self, names: Collection[str] | None = None) -> Iterator[tuple[str, AnyArray]]:
        """The values that were asked for, or only `names`: a few at a time, in the model's order.

        The model runs now, not before: a run whose values nobody reads costs nothing. Missing are
        values that cannot be output (see edgeq/graph/expose.py) and values without elements, which
        stand in a branch that was not taken.
        """
        return self._reader.each(self._batch.feeds, names)

    def values(self, names: Collection[str] | None = None) -> dict[str, AnyArray]:
        """All that `each` gives, at once."""
        return dict(self.each(names))


class Runs:
    """The runs of a model over a data set, in which some of its values are read."""

    def __init__(self, model: ir.Model, names: Iterable[str], data: Dataset) -> None:
        """names: the float values that can be read, inputs of the model included."""
        #: the model that runs, and all samples
        self.model, self.data = model, data
        self._together = data.fixed_batch or 1
        self._reader = ValueReader(model, names, next((piece.feeds for piece in data.batches(1, 0, self._together)), {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._reader.__exit__(kind, error, trace)

    def each(self, take: Callable[[Run], T], progress: Progress, start: int = 0, stop: int | None = None) -> list[T]:
        """Call `take` on every run over samples start..stop-1; returns its results in data order.

        `take` is called by the threads of the engine, in any order: what it adds up elsewhere must
        be locked, or kept separately for each worker, and must not depend on the order. No more
        than a few samples are held in memory.
        """
        numbers, own = count(), threading.local()

        def work(batch: Batch) -> tuple[int, T]:
            if not hasattr(own, "number"):
                own.number = next(numbers)
            return len(batch.samples), take(Run(batch, batch.samples.start // self._together, self._reader, own.number))

        results = []
        threads = max(1, min(current_engine().threads, memory_budget() // self._reader.bytes))
        for done, found in on_threads(threads, work, self.data.batches(1, start, stop)):
            progress.advance(done)
            results.append(found)
        return results


class Sums(Protocol[P_co]):
    """What grows while values of one shard come, from several threads."""

    def take(self, run: Run) -> None:
        """Read what is measured from one run."""

    def part(self) -> P_co:
        """All that was taken."""


class Measure(Protocol[P_co]):
    """What a pass measures. It travels to workers: its fields hold no nodes and no functions."""

    @property
    def names(self) -> tuple[str, ...]:
        """The values that are read: what is read decides what a runtime fuses, and with it bits."""

    def begin(self, runs: Runs, /) -> Sums[P_co]:
        """What is to grow over one shard."""


class Listed(Generic[T]):
    """Sums that are a list: what `take` gives for each run, in the order of the data."""

    def __init__(self, take: Callable[[Run], T]) -> None:
        self._take, self._found, self._lock = take, list[tuple[int, T]](), threading.Lock()

    def take(self, run: Run) -> None:
        found = self._take(run)
        with self._lock:
            self._found.append((run.number, found))

    def part(self) -> list[T]:
        return [found for _, found in sorted(self._found, key=lambda pair: pair[0])]


@dataclass(frozen=True, eq=False)
class _Setup(Generic[T]):
    model: ir.Model
    data: Dataset
    measure: Measure[T]
    #: bytes that passes may take on all workers of a machine; None: half of what is free there
    memory: int | None
    #: how many workers there are
    workers: int


def measured(
    model: ir.Model, data: Dataset, measure: Measure[T], progress: Progress, start: int = 0, stop: int | None = None
) -> Iterator[T]:
    """What comes of the shards of samples start..stop-1, in the order of the shards.

    How many there are depends on the engine: what the caller makes of them must not.
    """
    setup = _Setup(model, data.unjudged(), measure, memory_limit(), current_engine().workers)
    yield from over_samples(_shards, setup, data, progress, start, stop)
    return_freed_memory()


def reduced(
    model: ir.Model, data: Dataset, measure: Measure[Sequence[P]], finish: Job[R, tuple[O, P], Q], owners: Sequence[O], progress: Progress
) -> Iterator[tuple[int, Q]]:
    """What comes of every owner, which gets its part of all runs; by the workers of the engine.

    measure: gives a part for each owner, of any shard. Yields the place of an owner and what came
    of it, as they are finished.
    """
    engine = current_engine()
    setup = _Setup(model, data.unjudged(), measure, memory_limit(), engine.workers)
    shards = ranges(0, data.count, data.fixed_batch or 1, engine, heavy=True)
    yield from engine.reduce(Job(_parts, setup, len), shards, finish, owners, progress)


@contextmanager
def _parts(setup: _Setup[Sequence[P]]) -> Iterator[Opened[range, Sequence[P]]]:
    with _shards(setup) as work:
        yield lambda samples, progress: work(samples, progress)[0]


@contextmanager
def _shards(setup: _Setup[T]) -> Iterator[Opened[range, tuple[T, Seen]]]:
    beside = min(setup.workers, os.cpu_count() or 1)
    with within_memory(setup.memory, beside), Runs(setup.model, setup.measure.names, setup.data) as runs:

        def work(samples: range, progress: Progress) -> tuple[T, Seen]:
            sums = setup.measure.begin(runs)
            runs.each(sums.take, progress, samples.start, samples.stop)
            return sums.part(), setup.data.survey.seen_of(samples)

        yield work
