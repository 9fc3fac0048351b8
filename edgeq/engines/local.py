"""The engine of this process: one shard after the other, whose runs are on several threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from edgeq.engines.protocol import Job, O, P, Q, R, S, T
from edgeq.progress import Progress

A = TypeVar("A")
B = TypeVar("B")

#: runs at once, with one thread each: faster than one run with many threads, and the same bits on
#: any machine
THREADS = max(1, min(4, os.cpu_count() or 1))
#: things that are read for each thread before their results are taken
AHEAD = 2


class Local:
    """Does everything in this process."""

    workers = 1

    def __init__(self, threads: int | None = None, shard: int | None = None) -> None:
        """threads: of a pass over data; None: THREADS. shard: see Engine."""
        self.threads, self.shard = threads or THREADS, shard

    def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        """See Engine; in the order of the shards."""
        with job.open(job.setup) as does:
            for place, shard in enumerate(shards):
                yield place, does(shard, progress)

    def reduce(
        self, job: Job[T, S, Sequence[P]], shards: Sequence[S], finish: Job[R, tuple[O, P], Q], owners: Sequence[O],
        progress: Progress,
    ) -> Iterator[tuple[int, Q]]:  # fmt: skip
        """See Engine; parts are merged as they come, and go when their owner has them."""
        whole = list[P]()
        for _, parts in self.run(job, shards, progress):
            whole = [mine.merge(its) for mine, its in zip(whole, parts, strict=True)] if whole else list(parts)
        whole.reverse()
        with finish.open(finish.setup) as does:
            for place, owner in enumerate(owners):
                yield place, does((owner, whole.pop()), progress)

    def close(self) -> None:
        """Nothing is open."""


def on_threads(number: int, work: Callable[[A], B], things: Iterable[A]) -> Iterator[B]:
    """Call `work` for each thing on so many threads; results come in the order of the things.

    No more than AHEAD things a thread are read before their results are taken, since a data set
    may not fit into memory. One thread is the caller's own.
    """
    if number == 1:
        yield from map(work, things)
        return
    pending: deque[Future[B]] = deque()
    with ThreadPoolExecutor(number) as pool:
        try:
            for thing in things:
                pending.append(pool.submit(work, thing))
                if len(pending) > AHEAD * number:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
