"""What every engine can do: the same work on many shards, and sums that are owned by one worker.

A job is a function of edgeq and what all of its shards need. An engine opens the job once for each
worker and calls it for shard after shard. Results come as they are finished; whoever adds numbers
whose sum depends on the order puts them in order first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from edgeq.progress import Progress

#: what all shards need, one shard, what comes of it, and an owner of sums with what comes of them
T = TypeVar("T")
S = TypeVar("S")
R = TypeVar("R")
O = TypeVar("O")  # noqa: E741  # an owner
Q = TypeVar("Q")


class Part(Protocol):
    """A part of what an owner gets: parts of the same owner merge, in any order, to the same."""

    def merge(self, other: Self, /) -> Self:
        """Both together; this one may change."""


P = TypeVar("P", bound=Part)

#: does one shard; the progress hears of it only in the process of the user
Opened = Callable[[S, Progress], R]


def one(_: object) -> int:
    """The steps of a shard that is one thing."""
    return 1


@dataclass(frozen=True, eq=False)
class Job(Generic[T, S, R]):
    """The same work on many shards."""

    #: a function of a module of edgeq: from `setup` to what does a shard, open until its end
    open: Callable[[T], AbstractContextManager[Opened[S, R]]]
    #: what every shard needs; it travels once. Paths stay paths, models and arrays become bytes
    setup: T
    #: the steps of progress that a shard is
    steps: Callable[[S], int] = one
    #: whether this very job comes again, with other shards: workers keep it open until then
    again: bool = False
    #: whether what comes of a shard depends on those that the same worker did before: the job comes
    #: again, no shard is begun a second time while it runs, and no answer is kept
    remembers: bool = False


class Engine(Protocol):
    """Does jobs. Whatever engine does one, its results are the same."""

    @property
    def workers(self) -> int:
        """Shards that are done at once."""

    @property
    def threads(self) -> int:
        """Threads of what runs in this process."""

    @property
    def shard(self) -> int | None:
        """Samples of a shard; None: the engine leaves that to `ranges`."""

    def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        """Do all shards; yields the place of a shard and what came of it, as they are finished.

        Each shard counts once, however often it was begun. Closing the iterator cancels the others.
        Raises what the first shard that fails has raised, and EngineFailed for workers that die
        again and again.
        """

    def reduce(
        self, job: Job[T, S, Sequence[P]], shards: Sequence[S], finish: Job[R, tuple[O, P], Q], owners: Sequence[O],
        progress: Progress,
    ) -> Iterator[tuple[int, Q]]:  # fmt: skip
        """Do all shards, each of which gives a part for every owner; then finish every owner.

        The parts go from worker to worker and not through the process of the user, and are merged
        on the way. Yields the place of an owner and what came of it, as they are finished.
        """

    def close(self) -> None:
        """End the workers."""


def in_order(found: Iterable[tuple[int, R]]) -> Iterator[R]:
    """Results in the order of their shards; those that come early wait.

    >>> list(in_order([(1, "b"), (0, "a"), (2, "c")]))
    ['a', 'b', 'c']
    """
    waiting: dict[int, R] = {}
    due = 0
    for place, result in found:
        waiting[place] = result
        while due in waiting:
            yield waiting.pop(due)
            due += 1


#: shards that a worker gets on average, and the share of what is left that one shard is
SHARDS_A_WORKER, SHARE = 4, 3
#: the most samples of a shard: a worker that dies loses as much, and with 20 ms a sample it is 20 s
MOST = 1024
#: shards of a worker where each gives a part for every owner, as large as the whole
HEAVY = 2


def ranges(start: int, stop: int, step: int, engine: Engine, *, heavy: bool = False) -> list[range]:
    """Samples start..stop-1 as shards, each but the last a multiple of `step`.

    They grow smaller towards the end, so that all workers end at about the same time; none is
    smaller than what a worker gets on average divided by SHARDS_A_WORKER squared, and none is
    larger than MOST. One worker gets one shard. heavy: what comes of a shard is large whatever its
    size, so a worker gets HEAVY shards.
    """
    if stop <= start:
        return [range(start, stop)]
    total = stop - start
    if engine.shard is None and engine.workers < 2:
        return [range(start, stop)]
    found, least = [], max(1, min(MOST, total // (engine.workers * SHARDS_A_WORKER**2)))
    while start < stop:
        usual = min(MOST, -(-total // (HEAVY * engine.workers)) if heavy else (stop - start) // (SHARE * engine.workers))
        size = engine.shard or max(least, usual)
        end = min(stop, start + -(-size // step) * step)
        found.append(range(start, end))
        start = end
    return found
