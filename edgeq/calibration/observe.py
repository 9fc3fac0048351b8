"""Measure: run the prepared float model over a data set once and keep statistics of its values,
never the values.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import onnx_ir as ir

from edgeq.calibration.observer import Observer
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.open import Batch, Dataset
from edgeq.graph.expose import expose
from edgeq.graph.read import graphs
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Progress, Silent
from edgeq.runtimes.ort import Session, open_session

#: sessions that run side by side, one thread each: faster than one session of many threads, and the
#: same bits on any machine
WORKERS = max(1, min(4, os.cpu_count() or 1))


def observe(
    model: ir.Model, wanted: Iterable[str], data: Dataset, *, start: int = 0, stop: int | None = None, progress: Progress | None = None
) -> dict[str, TensorStats]:
    """Statistics of the wanted float values over samples start..stop of the data, in one pass and
    constant memory.

    Every sample runs alone (a model with a fixed batch: in batches of that size), so the result
    depends neither on a batch size nor on how the samples are shared out. NaN and infinities are
    counted, not kept: the plan leaves such values float.
    """
    names = tuple(wanted)
    exposed, outputs = expose(model, names)
    inputs = {value.name for value in model.graph.inputs}
    fed = tuple(name for name in names if name in inputs)
    progress = progress or Silent()
    last = data.count if stop is None else min(stop, data.count)
    progress.start("calibrate", last - start)
    crew = _Crew(exposed, outputs, fed)
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in map_ahead(pool, crew.take, data.batches(1, start, last)):
            progress.advance(done)
    return crew.result(names)


def map_ahead(pool: ThreadPoolExecutor, work: Callable[[Batch], int], batches: Iterator[Batch]) -> Iterator[int]:
    """pool.map that reads only a few batches ahead: a data set does not fit into memory."""
    pending: deque[Future[int]] = deque()
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


class _Crew:
    """Worker threads, each with a session and observers of its own; merging is exact in any
    order.
    """

    def __init__(self, model: ir.Model, outputs: Mapping[str, str], fed: tuple[str, ...]) -> None:
        self.source = session_source(model)
        self.outputs, self.fed = outputs, fed
        self.own = threading.local()
        self.observers: list[dict[str, Observer]] = []
        self.lock = threading.Lock()

    def take(self, batch: Batch) -> int:
        """Run one batch and observe it; returns its number of samples."""
        session, observers = self._mine()
        arrays = session.run(batch.feeds, list(self.outputs.values())) if self.outputs else []
        rows = len(batch.samples)
        for name, array in [*zip(self.outputs, arrays, strict=True), *((n, batch.feeds[n]) for n in self.fed)]:
            if array.size:
                _observe(observers[name], array, batch.samples, rows)
        return rows

    def result(self, names: tuple[str, ...]) -> dict[str, TensorStats]:
        merged: dict[str, TensorStats] = {}
        for name in names:
            parts = [observers[name].stats() for observers in self.observers if name in observers]
            whole = parts[0] if parts else TensorStats()
            for part in parts[1:]:
                whole = whole.merge(part)
            merged[name] = whole
        return merged

    def _mine(self) -> tuple[Session, dict[str, Observer]]:
        if not hasattr(self.own, "session"):
            self.own.session = open_session(self.source, threads=1)
            self.own.observers = {name: Observer() for name in (*self.outputs, *self.fed)}
            with self.lock:
                self.observers.append(self.own.observers)
        return self.own.session, self.own.observers


def _observe(observer: Observer, array: AnyArray, samples: range, rows: int) -> None:
    """A value whose first axis is not the batch (heads beside samples, iterations of a loop)
    belongs to the batch's first sample.
    """
    if rows > 1 and array.ndim and array.shape[0] == rows:
        observer.update(array, samples)
    else:
        observer.update(array, samples[:1])


def session_source(model: ir.Model) -> bytes | ir.Model:
    """What several sessions open: the bytes, written once, or a model too large for them."""
    size = sum(v.const_value.nbytes for graph in graphs(model) for v in graph.initializers.values() if v.const_value is not None)
    return ir.to_proto(model).SerializeToString() if size < 1 << 30 else model
