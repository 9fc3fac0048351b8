"""Measure: the smallest and the largest value of every channel (last axis) of some values, in one
pass.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx_ir as ir

from edgeq.calibration.observe import WORKERS, map_ahead, session_source
from edgeq.data.dataset import Batch, Dataset
from edgeq.graph.expose import expose
from edgeq.numerics.arrays import F32
from edgeq.progress import Progress
from edgeq.runtimes.ort import open_session

Ends = tuple[F32, F32]


def measure_channels(model: ir.Model, names: Sequence[str], data: Dataset, progress: Progress) -> dict[str, Ends]:
    """Value name -> smallest and largest value of each channel [K], joined with 0. Values whose
    channels vary in number are left out.
    """
    exposed, outputs = expose(model, names)
    source, own, lock = session_source(exposed), threading.local(), threading.Lock()
    ends: dict[str, Ends | None] = {}
    progress.start("channel ranges", data.count)

    def take(batch: Batch) -> int:
        if not hasattr(own, "session"):
            own.session = open_session(source, threads=1)
        arrays = dict(zip(outputs, own.session.run(batch.feeds, list(outputs.values())) if outputs else [], strict=True))
        for name in names:
            value = arrays.get(name, batch.feeds.get(name))
            if value is not None and value.size:
                rows = np.asarray(value, np.float32).reshape(-1, value.shape[-1])
                low, high = np.minimum(rows.min(0), 0), np.maximum(rows.max(0), 0)
                with lock:
                    ends[name] = _join(ends[name], low, high) if name in ends else (low, high)
        return len(batch.samples)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in map_ahead(pool, take, data.batches(1)):
            progress.advance(done)
    return {name: found for name in names if (found := ends.get(name)) is not None}


def _join(known: Ends | None, low: F32, high: F32) -> Ends | None:
    if known is None or known[0].shape != low.shape:
        return None
    return np.minimum(known[0], low), np.maximum(known[1], high)
