"""Measure: the largest magnitude of every channel of some values, over a data set, in constant memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeq.data_stream import Batch, Dataset
from edgeq.expose import expose
from edgeq.observe import WORKERS, map_ahead, session_source
from edgeq.progress import Progress, Silent
from edgeq.runtime import open_session


def channel_peaks(
    model: ir.Model, axes: Mapping[str, int], data: Dataset, progress: Progress | None = None
) -> dict[str, NDArray[np.float32]]:
    """Value name -> max |x| of each channel [C]. axes: value name -> axis of its channels.

    Every sample runs alone; a maximum does not depend on the order. Values that were not seen, or hold NaN, are left out.
    """
    exposed, outputs = expose(model, axes)
    found: dict[str, NDArray[np.float32]] = {}
    if not outputs:
        return found
    source, own, lock = session_source(exposed), threading.local(), threading.Lock()
    watcher = progress or Silent()
    watcher.start("channel peaks", data.count)

    def take(batch: Batch) -> int:
        if not hasattr(own, "session"):
            own.session = open_session(source, threads=1)
        arrays = own.session.run(batch.feeds, list(outputs.values()))
        for name, array in zip(outputs, arrays, strict=True):
            peak = _peak(array, axes[name])
            with lock:
                found[name] = np.maximum(found[name], peak) if name in found else peak
        return len(batch.samples)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in map_ahead(pool, take, data.batches(1)):
            watcher.advance(done)
    return {name: peak for name, peak in found.items() if not np.isnan(peak).any()}


def _peak(array: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    others = tuple(i for i in range(array.ndim) if i != axis)
    return np.asarray(np.maximum(array.max(others, initial=0.0), -array.min(others, initial=0.0)), np.float32)
