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

from edgeq.data.dataset import Batch, Dataset
from edgeq.graph.expose import expose
from edgeq.graph.read import initializer_bytes
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Progress
from edgeq.runtimes.ort import Session, open_session

T = TypeVar("T")

#: sessions that run at once, with one thread each: faster than one session with many threads, and
#: the same bits on any machine
WORKERS = max(1, min(4, os.cpu_count() or 1))


class Run:
    """One run of the model: on one sample, or on as many as its fixed batch holds."""

    def __init__(self, batch: Batch, number: int, reader: _Reader) -> None:
        #: global indices of its samples
        self.samples = batch.samples
        #: its position among the runs over all samples, from 0
        self.number = number
        #: number of the thread that handles it: sums that each thread keeps for itself need no lock
        self.worker = reader.worker()
        self._batch, self._reader = batch, reader

    def values(self, names: Collection[str] | None = None) -> dict[str, AnyArray]:
        """Value name -> its array, for all names that were asked for, or only for `names`.

        The model runs now, not before: a run whose values nobody reads costs nothing. Missing are
        values that cannot be output (see edgeq/graph/expose.py) and values without elements, which
        stand in a branch that was not taken.
        """
        return self._reader.values(self._batch, names)


class _Reader:
    """Reads named values of a model for several threads.

    Each thread has a session of its own, opened when it first needs one.
    """

    def __init__(self, model: ir.Model, names: Iterable[str]) -> None:
        wanted = dict.fromkeys(names)
        exposed, self._outputs = expose(model, wanted)
        inputs = {value.name for value in model.graph.inputs}
        self._fed = [name for name in wanted if name in inputs]
        self._source = session_source(exposed) if self._outputs else b""
        self._own, self._numbers = threading.local(), count()

    def worker(self) -> int:
        """The number of the calling thread, from 0."""
        if not hasattr(self._own, "number"):
            self._own.number = next(self._numbers)
        return int(self._own.number)

    def values(self, batch: Batch, names: Collection[str] | None) -> dict[str, AnyArray]:
        due = [name for name in self._outputs if names is None or name in names]
        arrays = self._session().run(batch.feeds, [self._outputs[name] for name in due]) if due else []
        fed = {name: batch.feeds[name] for name in self._fed if names is None or name in names}
        return {name: array for name, array in (dict(zip(due, arrays, strict=True)) | fed).items() if array.size}

    def _session(self) -> Session:
        if not hasattr(self._own, "session"):
            self._own.session = open_session(self._source, threads=1)
        session: Session = self._own.session
        return session


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
    reader, together = _Reader(model, names), data.fixed_batch or 1

    def work(batch: Batch) -> tuple[int, T]:
        return len(batch.samples), take(Run(batch, batch.samples.start // together, reader))

    results = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for done, found in map_ahead(pool, work, data.batches(1, start, stop)):
            progress.advance(done)
            results.append(found)
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


def session_source(model: ir.Model) -> bytes | ir.Model:
    """What several sessions open: the model's bytes, or the model itself where it is too large."""
    return ir.to_proto(model).SerializeToString() if initializer_bytes(model) < 1 << 30 else model
