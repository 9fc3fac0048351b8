"""What may happen to shards and workers: answers in reversed order, a worker that is killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import cast

from edgeq.engines.local import Local
from edgeq.engines.protocol import Job, Opened, R, S, T
from edgeq.progress import Progress


class Reversed(Local):
    """Several shards, of which the last is finished first; the last job stays open."""

    workers = 3

    def __init__(self, threads: int, shard: int) -> None:
        super().__init__(threads, shard)
        self._stack, self._job = ExitStack(), cast(object, None)
        self._does: object = None

    def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        """See Engine."""
        if job is not self._job:
            self._stack.close()
            self._job, self._does = job, self._stack.enter_context(job.open(job.setup))
        does = cast("Opened[S, R]", self._does)
        yield from reversed([(place, does(shard, progress)) for place, shard in enumerate(shards)])


@contextmanager
def killing(pids: Callable[[], Sequence[int]], after: float) -> Iterator[None]:
    """Kill one worker after so many seconds."""
    over = threading.Event()

    def kill() -> None:
        over.wait(after)
        if not over.is_set() and (found := pids()):
            os.kill(found[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()
