"""Run the float model for every sample of a data set, several runs at once, and read values."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import TypeVar

import onnx_ir as ir

from edgeq.calibration.memory import memory_budget, return_freed_memory
from edgeq.calibration.value_reader import ValueReader
from edgeq.data.dataset import Batch, Dataset
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Progress

T = TypeVar("T")

#: runs at once, with one thread each: faster than one run with many threads, and the same bits on
#: any machine
WORKERS = max(1, min(4, os.cpu_count() or 1))


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


def each_run(
    model: ir.Model,
    names: Iterable[str],
    data: Dataset,
    take: Callable[[Run], T],
    progress: Progress,
    start: int = 0,
    stop: int | None = None,
) -> list[T]:
    """Call `take` on every run over samples start..stop-1; returns its results in data order.

    names: the float values that it can read, inputs of the model included. `take` is called by
    WORKERS threads, in any order: what it adds up elsewhere must be locked, or kept separately for
    each worker, and must not depend on the order. No more than a few samples are held in memory.
    """
    together, numbers, own = data.fixed_batch or 1, count(), threading.local()
    reader = ValueReader(model, names, next((piece.feeds for piece in data.batches(1, 0, together)), {}))

    def work(batch: Batch) -> tuple[int, T]:
        if not hasattr(own, "number"):
            own.number = next(numbers)
        return len(batch.samples), take(Run(batch, batch.samples.start // together, reader, own.number))

    results = []
    with reader, ThreadPoolExecutor(max(1, min(WORKERS, memory_budget() // reader.bytes))) as pool:
        for done, found in map_ahead(pool, work, data.batches(1, start, stop)):
            progress.advance(done)
            results.append(found)
    return_freed_memory()
    return results


def map_ahead(pool: ThreadPoolExecutor, work: Callable[[Batch], T], batches: Iterator[Batch]) -> Iterator[T]:
    """pool.map that reads only a few batches ahead, since a data set may not fit into memory."""
    pending: deque[Future[T]] = deque()
    try:
        for batch in batches:
            pending.append(pool.submit(work, batch))
            if len(pending) > 2 * WORKERS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
