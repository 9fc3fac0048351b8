"""Measure the range and the mean square of every channel of some values, over a data set."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_ir as ir

from edgeq.calibration.each_run import Run, each_run
from edgeq.data.dataset import Dataset
from edgeq.numerics.arrays import F32, F64
from edgeq.progress import Progress, Silent

#: numbers whose squares are added up at a time: as float64 they stay in a core's cache
AT_ONCE = 1 << 16

#: the smallest and the largest value of each channel, extended to include 0: float32 [C] each
Ends = tuple[F32, F32]


@dataclass(frozen=True, eq=False)
class ChannelStats:
    """What was measured of the channels of some values."""

    #: value name -> the smallest and the largest value of each channel
    ends: dict[str, Ends]
    #: value name -> mean of x^2 of each channel, float64 [C]; empty where it was not asked for
    squares: dict[str, F64]

    @cached_property
    def peaks(self) -> dict[str, F32]:
        """Value name -> the largest magnitude of each channel, float32 [C]."""
        return {name: np.maximum(-low, high) for name, (low, high) in self.ends.items()}


def channel_stats(
    model: ir.Model, axes: Mapping[str, int], data: Dataset, progress: Progress | None = None, *, squares: bool = True
) -> ChannelStats:
    """Measure the channels of values; every sample runs alone.

    axes: value name -> axis of its channels (-1: the last one). squares: whether to measure mean
    squares too. Left out are values that were not seen, values that hold NaN or infinities, and
    values whose channels vary in number.
    """
    sums = {name: _Sums(axis, squares) for name, axis in axes.items()}
    if not sums:
        return ChannelStats({}, {})
    progress = progress or Silent()
    progress.start("channel statistics", data.count)

    def take(run: Run) -> None:
        for name, array in run.each():
            sums[name].add(np.asarray(array, np.float32))

    each_run(model, sums, data, take, progress)
    sound = {name: one for name, one in sums.items() if one.is_sound}
    means = {name: one.mean() for name, one in sound.items()} if squares else {}
    return ChannelStats({name: (one.low, one.high) for name, one in sound.items()}, means)


class _Sums:
    """What was seen of one value: running ranges, and sums of squares as integers.

    Both are the same in any order of the runs.
    """

    #: a mean square is counted in units of 2^-UNIT: a smaller one is no signal for an 8-bit grid
    #: beside channels of ordinary size
    UNIT = 60

    def __init__(self, axis: int, squares: bool) -> None:
        self.axis, self.squares = axis, squares
        self.low, self.high = np.zeros(0, np.float32), np.zeros(0, np.float32)
        self.total: list[int] = []
        self.runs, self.varies = 0, False
        self.lock = threading.Lock()

    @property
    def is_sound(self) -> bool:
        """Whether every channel was seen, in finite values."""
        return bool(self.low.size) and not self.varies and bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())

    def add(self, array: F32) -> None:
        """Add the values of one run."""
        axis = self.axis % array.ndim
        others = tuple(other for other in range(array.ndim) if other != axis)
        low, high = array.min(others, initial=0.0), array.max(others, initial=0.0)
        whole = self._whole(array, axis) if self.squares else []
        with self.lock:
            self.varies |= self.runs > 0 and low.shape != self.low.shape
            if self.varies:
                return
            self.low, self.high = (np.minimum(self.low, low), np.maximum(self.high, high)) if self.runs else (low, high)
            self.total = [a + b for a, b in zip(self.total, whole, strict=True)] if self.runs else whole
            self.runs += 1

    def mean(self) -> F64:
        """The mean of the runs' mean squares for each channel; every run counts the same."""
        return np.array([np.ldexp(float(total), -self.UNIT) / self.runs for total in self.total])

    def _whole(self, array: F32, axis: int) -> list[int]:
        """The mean square of each channel, in units of 2^-UNIT."""
        with np.errstate(over="ignore", invalid="ignore"):
            square = _mean_squares(np.moveaxis(array, axis, 0))
        return [int(x) if np.isfinite(x) else 0 for x in np.rint(np.ldexp(square, self.UNIT))]


def _mean_squares(channels: F32) -> F64:
    """The mean square of each channel of [C, ...], in float64; few channels are copied at once."""
    size, found = max(channels[:1].size, 1), np.empty(len(channels))
    step = max(1, AT_ONCE // size)
    for start in range(0, len(channels), step):
        part = channels[start : start + step]
        wide = part.reshape(len(part), -1).astype(np.float64)
        found[start : start + step] = np.einsum("ck,ck->c", wide, wide)
    return np.asarray(found / size)
