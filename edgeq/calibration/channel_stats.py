"""Measure the range and the mean square of every channel of some values, over a data set."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_ir as ir

from edgeq.calibration.each_run import Run, Runs, measured
from edgeq.data.dataset import Dataset
from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.rounding.running_channels import RunningChannels
from edgeq.progress import Progress, Silent

#: the smallest and the largest value of each channel, extended to include 0: float32 [C] each
Ends = tuple[F32, F32]


@dataclass(frozen=True, eq=False)
class ChannelStats:
    """What was measured of the channels of some values."""

    #: value name -> the smallest and the largest value of each channel
    ends: dict[str, Ends]
    #: value name -> mean of x^2 of each channel, float64 [C]; empty where it was not asked for
    squares: dict[str, F64]

    def of(self, names: Container[str]) -> ChannelStats:
        """The same of these values alone."""
        ends = {name: one for name, one in self.ends.items() if name in names}
        return ChannelStats(ends, {name: one for name, one in self.squares.items() if name in ends})

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
    sums = ChannelSums(axes, squares=squares)
    if axes:
        progress = progress or Silent()
        progress.start("channel statistics", data.count)

        for part in measured(model, data, _Reading(sums), progress):
            sums.merge(part)
    return sums.stats()


@dataclass(frozen=True, eq=False)
class _Reading:
    """A pass that reads nothing else."""

    #: sums of which nothing has come yet
    channels: ChannelSums

    @property
    def names(self) -> tuple[str, ...]:
        return self.channels.names

    def begin(self, _: Runs, /) -> ChannelSums:
        return self.channels.empty()


class ChannelSums:
    """What grows while values come: from several threads, in any order."""

    def __init__(self, axes: Mapping[str, int], *, squares: bool = True) -> None:
        """axes, squares: see channel_stats."""
        self._sums, self._squares = {name: RunningChannels(axis, squares) for name, axis in axes.items()}, squares

    @property
    def names(self) -> tuple[str, ...]:
        """The values whose channels were asked for."""
        return tuple(self._sums)

    def empty(self) -> ChannelSums:
        """Sums of the same channels, of which nothing has come."""
        return ChannelSums({name: one.axis for name, one in self._sums.items()}, squares=self._squares)

    def take(self, run: Run) -> None:
        """Add all values of one run."""
        for name, array in run.each():
            self.add(name, array)

    def part(self) -> ChannelSums:
        """All that came: the sums themselves."""
        return self

    def merge(self, other: ChannelSums) -> None:
        """Add what has come to sums of the same channels; the same in any order."""
        for name, one in other._sums.items():
            self._sums[name].merge(one)

    def add(self, name: str, array: AnyArray) -> None:
        """Add a value of one run; one whose channels were not asked for is passed over."""
        if name in self._sums:
            self._sums[name].add(np.asarray(array, np.float32))

    def stats(self) -> ChannelStats:
        """The statistics of all that came."""
        sound = {name: one for name, one in self._sums.items() if one.is_sound}
        means = {name: one.mean() for name, one in sound.items()} if self._squares else {}
        return ChannelStats({name: (one.low, one.high) for name, one in sound.items()}, means)
