"""Laws of engines: whatever engine does a job, the same comes of it, once for each shard.

The jobs are here, where workers find them by name. Each is sums of squares over ranges of numbers.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from edgeq.engines.protocol import Engine, Job, Opened, in_order
from edgeq.errors import BadData
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Progress, Silent
from edgeq.testing.law import Law


@dataclass(frozen=True, eq=False)
class Trouble:
    """Numbers, and what goes wrong with them."""

    #: int64: large enough to travel as a blob
    numbers: AnyArray
    #: first numbers of shards that raise BadData
    bad: tuple[int, ...] = ()
    #: first numbers of shards whose worker dies at the first try
    deadly: tuple[int, ...] = ()
    #: where it is noted which shards were begun; None: nowhere
    folder: Path | None = None

    def begin(self, shard: range) -> bool:
        """Whether this is the first try; notes every try."""
        if self.folder is None:
            return True
        tries = len(list(self.folder.glob(f"{shard.start}-*")))
        (self.folder / f"{shard.start}-{tries}-{os.getpid()}").touch()
        return tries == 0


@contextmanager
def squares(setup: Trouble) -> Iterator[Opened[range, int]]:
    """The sum of the squares of a shard."""
    yield lambda shard, progress: _sum(setup, shard, progress)


@dataclass(frozen=True)
class Total:
    """A sum that merges."""

    value: int

    def merge(self, other: Total) -> Total:
        return Total(self.value + other.value)


@contextmanager
def squares_by_rest(setup: Trouble) -> Iterator[Opened[range, Sequence[Total]]]:
    """Three sums of squares of a shard, by the rest of the number's place divided by 3."""

    def work(shard: range, progress: Progress) -> list[Total]:
        _sum(setup, shard, progress)
        return [Total(int(sum(int(setup.numbers[place]) ** 2 for place in shard if place % 3 == rest))) for rest in range(3)]

    yield work


@contextmanager
def doubled(_: Trouble) -> Iterator[Opened[tuple[int, Total], int]]:
    """Twice what an owner gets."""
    yield lambda owned, _: 2 * owned[1].value


def _sum(setup: Trouble, shard: range, progress: Progress) -> int:
    if shard.start in setup.bad:
        raise BadData("The number is bad.", f"number {shard.start}", "Take another.")
    if setup.begin(shard) and shard.start in setup.deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    progress.advance(len(shard))
    return int(sum(int(number) ** 2 for number in setup.numbers[shard.start : shard.stop]))


class _Steps(Silent):
    done = 0

    def advance(self, steps: int = 1) -> None:
        self.done += steps


#: the ends of the shards of check_engine
ENDS = (0, 10_000, 10_001, 29_000, 30_000)
_LAW = Law("engines")


def check_engine(engine: Engine) -> None:
    """Raise AssertionError unless the engine keeps to these laws. It stays open.

    1. The results are those of the shards, each once. 2. Progress counts every step once. 3. An
    owner gets the part of every shard once. 4. The error that is raised is that of the first shard
    that fails. 5. An engine whose results nobody wants any more can begin again.
    """
    numbers = np.arange(ENDS[-1], dtype=np.int64)
    shards, sound, progress = [range(*ends) for ends in pairwise(ENDS)], Trouble(numbers), _Steps()
    wanted = [sum(place**2 for place in shard) for shard in shards]
    job = Job(squares, sound, len)
    found = list(in_order(engine.run(job, shards, progress)))
    _LAW.holds(1, "the results of all shards", found == wanted, str(found))
    _LAW.holds(2, "all steps", progress.done == ENDS[-1], str(progress.done))
    owned = dict(engine.reduce(Job(squares_by_rest, sound, len), shards, Job(doubled, sound), range(3), Silent()))
    sums = {rest: 2 * sum(place**2 for place in range(rest, ENDS[-1], 3)) for rest in range(3)}
    _LAW.holds(3, "the sums of all owners", owned == sums, str(owned))
    where = _where_it_fails(engine, Job(squares, Trouble(numbers, bad=(29_000, 10_000)), len), shards)
    _LAW.holds(4, "the first error", where == "number 10000", where)
    begun = engine.run(job, shards, Silent())
    next(begun)
    del begun
    again = list(in_order(engine.run(job, shards, Silent())))
    _LAW.holds(5, "a new beginning", again == wanted, str(again))


def _where_it_fails(engine: Engine, job: Job[Trouble, range, int], shards: Sequence[range]) -> str:
    try:
        list(engine.run(job, shards, Silent()))
    except BadData as error:
        return error.where
    return "nowhere"
