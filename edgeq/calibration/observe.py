"""Run the prepared float model over a data set once and keep statistics of its values.

The values themselves are never kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import onnx_ir as ir

from edgeq.calibration.as_read import AsRead, as_read
from edgeq.calibration.channel_stats import ChannelSums
from edgeq.calibration.each_run import Run, each_run
from edgeq.calibration.observer import Observer
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.open import Dataset
from edgeq.numerics.arrays import AnyArray
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
    names = tuple(wanted)
    progress = progress or Silent()
    last = data.count if stop is None else min(stop, data.count)
    progress.start("calibrate", last - start)
    shown, asked = as_read(model, names), frozenset(names)
    # an observer per worker and value name
    observers: defaultdict[int, defaultdict[str, Observer]] = defaultdict(lambda: defaultdict(Observer))

    def take(run: Run) -> None:
        own = observers[run.worker]
        for name, array in run.each():
            if name in asked:
                _observe(own[name], array, run.samples, shown.get(name))
            if channels is not None:
                channels.add(name, array)

    each_run(model, (*names, *beside), data, take, progress, start, last)
    return {name: _merged([own[name].stats() for own in observers.values() if name in own]) for name in names}


def _merged(parts: list[TensorStats]) -> TensorStats:
    """The statistics of all parts; exact, so the same in any order."""
    whole = parts[0] if parts else TensorStats()
    for part in parts[1:]:
        whole = whole.merge(part)
    return whole


def _observe(observer: Observer, array: AnyArray, samples: range, shown: AsRead | None) -> None:
    """Show an array to the observer, row by row where its first axis is the batch.

    Any other array (heads beside samples, iterations of a loop) counts for the batch's first
    sample.
    """
    apart = len(samples) > 1 and array.ndim > 0 and array.shape[0] == len(samples)
    observer.update(array if shown is None else shown(array, apart), samples if apart else samples[:1])
