"""Measure: the largest magnitude and the mean square of every channel of some values, over a data
set.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.calibration.observe import WORKERS, map_ahead, session_source
from edgeq.data.dataset import Batch, Dataset
from edgeq.graph.expose import expose
from edgeq.numerics.arrays import F32, F64
from edgeq.progress import Progress, Silent
from edgeq.runtimes.ort import open_session


@dataclass(frozen=True, eq=False)
class ChannelStats:
    """By value name. peaks: max |x| of each channel, float32 [C]; squares: mean of x^2 of each
    channel, float64 [C].
    """

    peaks: dict[str, F32]
    squares: dict[str, F64]


def channel_stats(model: ir.Model, axes: Mapping[str, int], data: Dataset, progress: Progress | None = None) -> ChannelStats:
    """axes: value name -> axis of its channels. Every sample runs alone. Values that were not seen,
    or hold NaN, are left out.
    """
    exposed, outputs = expose(model, axes)
    sums: dict[str, _Sums] = {name: _Sums() for name in outputs}
    if not outputs:
        return ChannelStats({}, {})
    source, own = session_source(exposed), threading.local()
    progress = progress or Silent()
    progress.start("channel statistics", data.count)

    def take(batch: Batch) -> int:
        if not hasattr(own, "session"):
            own.session = open_session(source, threads=1)
        arrays = own.session.run(batch.feeds, list(outputs.values()))
        for name, array in zip(outputs, arrays, strict=True):
            sums[name].add(array, axes[name])
        return len(batch.samples)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in map_ahead(pool, take, data.batches(1)):
            progress.advance(done)
    sound = {name: one for name, one in sums.items() if one.peak.size and np.isfinite(one.peak).all()}
    return ChannelStats({name: one.peak for name, one in sound.items()}, {name: one.mean() for name, one in sound.items()})


class _Sums:
    """Of one value. A running maximum, and sums of squares as whole numbers of a unit: both are the
    same in any order.
    """

    #: a mean square is counted in units of 2^-UNIT: what is less is no signal for an 8-bit grid
    #: beside channels of ordinary size
    UNIT = 60

    def __init__(self) -> None:
        self.peak = np.zeros(0, np.float32)
        self.total: list[int] = []
        self.runs = 0
        self.lock = threading.Lock()

    def add(self, array: F32, axis: int) -> None:
        rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
        peak = np.maximum(rows.max(1, initial=0.0), -rows.min(1, initial=0.0))
        with np.errstate(over="ignore", invalid="ignore"):
            square = np.square(rows, dtype=np.float64).mean(1) if rows.shape[1] else np.zeros(len(rows))
        whole = [int(x) if np.isfinite(x) else 0 for x in np.rint(np.ldexp(square, self.UNIT))]
        with self.lock:
            self.peak = np.maximum(self.peak, peak) if self.runs else peak
            self.total = [a + b for a, b in zip(self.total, whole, strict=True)] if self.runs else whole
            self.runs += 1

    def mean(self) -> F64:
        return np.array([np.ldexp(float(total), -self.UNIT) / self.runs for total in self.total])
