"""Let the engine of the run do work over the samples of a data set, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

from edgeq.data.dataset import Dataset
from edgeq.data.survey import Seen
from edgeq.engines.current import current_engine
from edgeq.engines.protocol import Job, Opened, in_order, ranges
from edgeq.progress import Progress

R = TypeVar("R")
T = TypeVar("T")


def over_samples(
    opener: Callable[[T], AbstractContextManager[Opened[range, tuple[R, Seen]]]],
    setup: T,
    data: Dataset,
    progress: Progress,
    start: int = 0,
    stop: int | None = None,
    step: int = 1,
) -> Iterator[R]:
    """What comes of samples start..stop-1 of the data, in the order of the shards.

    opener: what it opens gives, for a shard, what comes of it and what its survey has seen. setup:
    holds the data. Shards are multiples of a fixed batch, or of `step`. How many there are depends
    on the engine: what the caller makes of them must not.
    """
    engine = current_engine()
    last = data.count if stop is None else min(stop, data.count)
    shards = ranges(start, last, data.fixed_batch or step, engine)
    for samples, (found, seen) in zip(shards, in_order(engine.run(Job(opener, setup, len), shards, progress)), strict=True):
        data.survey.take(samples, seen)
        yield found
