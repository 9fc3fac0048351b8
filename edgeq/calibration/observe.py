"""Run the prepared float model over a data set once and keep statistics of its values.

The values themselves are never kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

import onnx_ir as ir

from edgeq.calibration.as_read import AsRead, as_read
from edgeq.calibration.channel_stats import ChannelSums
from edgeq.calibration.each_run import Run, Runs, measured
from edgeq.calibration.observer import Observer
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.open import Dataset
from edgeq.numerics.arrays import I64, AnyArray
from edgeq.progress import Progress, Silent


def observe(
    model: ir.Model,
    wanted: Iterable[str],
    data: Dataset,
    *,
    start: int = 0,
    stop: int | None = None,
    progress: Progress | None = None,
    beside: Iterable[str] = (),
    channels: ChannelSums | None = None,
) -> dict[str, TensorStats]:
    """Statistics of the wanted float values over samples start..stop-1, in one pass.

    Memory does not grow with the data, except for the range of each sample. Every sample runs alone
    (a model with a fixed batch: in batches of that size), so the result depends neither on a batch
    size nor on how the samples are divided into shards. NaN and infinities are counted, not kept:
    the plan leaves such values float. What only a Softmax reads is observed as the Softmax sees it
    (edgeq/calibration/as_read.py). beside: values that are read in the same pass and not observed;
    what is read decides what a runtime fuses, and with it last bits. channels: receives all that is
    read.
    """
    return observe_in_turns(model, wanted, data, 1, start=start, stop=stop, progress=progress, beside=beside, channels=channels)[0]


def observe_in_turns(
    model: ir.Model,
    wanted: Iterable[str],
    data: Dataset,
    turns: int,
    *,
    start: int = 0,
    stop: int | None = None,
    progress: Progress | None = None,
    beside: Iterable[str] = (),
    channels: ChannelSums | None = None,
) -> list[dict[str, TensorStats]]:
    """What `observe` gives, apart for the runs 0, turns, 2 * turns .., for 1, turns + 1 .., etc."""
    names, progress = tuple(wanted), progress or Silent()
    last = data.count if stop is None else min(stop, data.count)
    progress.start("calibrate", last - start)
    parts = [Merging() for _ in range(turns)]
    for tensors, seen in measured(model, data, _Observing(names, tuple(beside), channels, turns), progress, start, last):
        for whole, one in zip(parts, tensors, strict=True):
            whole.add(one)
        if channels is not None and seen is not None:
            channels.merge(seen)
    found = [whole.tensors() for whole in parts]
    return [{name: one.get(name, TensorStats()) for name in names} for one in found]


@dataclass(frozen=True, eq=False)
class _Observing:
    """What a pass that observes reads; see observe."""

    wanted: tuple[str, ...]
    beside: tuple[str, ...]
    #: sums of channels of which nothing has come yet; None: channels are not asked for
    channels: ChannelSums | None
    turns: int

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.wanted, *self.beside)

    def begin(self, runs: Runs, /) -> _Observers:
        channels = None if self.channels is None else self.channels.empty()
        return _Observers(frozenset(self.wanted), as_read(runs.model, self.wanted), channels, self.turns)


class _Observers:
    """The observers of one shard: one for each turn, thread and value name."""

    def __init__(self, asked: Container[str], shown: Mapping[str, AsRead], channels: ChannelSums | None, turns: int) -> None:
        self._asked, self._shown, self._channels = asked, shown, channels
        self._turns: list[defaultdict[int, defaultdict[str, Observer]]] = [defaultdict(lambda: defaultdict(Observer)) for _ in range(turns)]

    def take(self, run: Run) -> None:
        own = self._turns[run.number % len(self._turns)][run.worker]
        for name, array in run.each():
            if name in self._asked:
                _observe(own[name], array, run.samples, self._shown.get(name))
            if self._channels is not None:
                self._channels.add(name, array)

    def part(self) -> tuple[list[dict[str, TensorStats]], ChannelSums | None]:
        return [_together(turn.values()) for turn in self._turns], self._channels


class Merging:
    """Statistics of parts, merged like the digits of a binary counter: two of the same weight.

    Each number is copied log2(parts) times, and not once for each part that follows. Merging is
    exact, so the same in any order.
    """

    def __init__(self) -> None:
        self._merged: list[tuple[int, dict[str, TensorStats]]] = []

    def add(self, part: dict[str, TensorStats]) -> None:
        weight = 1
        while self._merged and self._merged[-1][0] == weight:
            part, weight = merged(self._merged.pop()[1], part), 2 * weight
        self._merged.append((weight, part))

    def tensors(self) -> dict[str, TensorStats]:
        whole: dict[str, TensorStats] = {}
        for _, part in reversed(self._merged):
            whole = merged(part, whole)
        return whole


def _together(parts: Iterable[Mapping[str, Observer]]) -> dict[str, TensorStats]:
    whole = Merging()
    for own in parts:
        whole.add({name: observer.stats() for name, observer in own.items()})
    return whole.tensors()


def merged(first: Mapping[str, TensorStats], second: Mapping[str, TensorStats]) -> dict[str, TensorStats]:
    """Both together. Most values are seen in every sample: they share the array of its numbers."""
    found = dict(first)
    numbers: dict[bytes, I64] = {}
    for name, stats in second.items():
        whole = found[name].merge(stats) if name in found else stats
        samples = numbers.setdefault(sha256(whole.samples.tobytes()).digest(), whole.samples)
        found[name] = replace(whole, samples=samples)
    return found


def _observe(observer: Observer, array: AnyArray, samples: range, shown: AsRead | None) -> None:
    """Show an array to the observer, row by row where its first axis is the batch.

    Any other array (heads beside samples, iterations of a loop) counts for the batch's first
    sample.
    """
    apart = len(samples) > 1 and array.ndim > 0 and array.shape[0] == len(samples)
    observer.update(array if shown is None else shown(array, apart), samples if apart else samples[:1])
