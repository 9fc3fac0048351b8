"""Handing out calls, with workers that only pretend and a clock that is set: who dies, who is slow,
who fails, and what still comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import pytest

from edgeq.engines.pool import Call, Done, Event, Failed, Lost, Order, Ticket
from edgeq.engines.schedule import DEATHS, scheduled
from edgeq.errors import BadData, EngineFailed

ORDER = Order(0, "edgeq.engines.nothing:nothing", None, ())


def calls(number: int) -> list[Call]:
    return [Call(ORDER, "do", place, str(place).encode()) for place in range(number)]


class Pretended:
    """Workers that take the seconds they are told to, and die or fail where they are told to."""

    def __init__(
        self, size: int, seconds: Mapping[tuple[int, int], float], deadly: Mapping[int, int] | None = None, bad: Sequence[int] = ()
    ) -> None:
        """seconds: of a worker for a place, 1.0 elsewhere. deadly: place -> how often."""
        self.size, self._seconds, self._deadly, self._bad = size, seconds, dict(deadly or {}), bad
        self.clock, self._free = 0.0, list(range(size))
        #: worker -> when it ends, and its call
        self.busy: dict[int, tuple[float, Call]] = {}
        self.given: list[tuple[int, int]] = []
        self.cancelled = False

    def publish(self, content: bytes | memoryview) -> Ticket:
        raise NotImplementedError

    def forget(self, tickets: Sequence[Ticket]) -> None:
        raise NotImplementedError

    def idle(self) -> list[int]:
        return list(self._free)

    def give(self, worker: int, call: Call) -> None:
        self._free.remove(worker)
        self.given.append((worker, call.place))
        self.busy[worker] = (self.clock + self._seconds.get((worker, call.place), 1.0), call)

    def wait(self, seconds: float) -> list[Event]:
        worker, (end, call) = min(self.busy.items(), key=lambda item: item[1][0])
        if end > self.clock + seconds:
            self.clock += seconds
            return []
        self.clock = end
        del self.busy[worker]
        if self._deadly.get(call.place, 0):
            self._deadly[call.place] -= 1
            self._free.append(worker + 100)
            return [Lost(worker, "killed")]
        self._free.append(worker)
        return (
            [Failed(worker, call, BadData("bad", str(call.place), "none"))] if call.place in self._bad else [Done(worker, call, call.body)]
        )

    def now(self) -> float:
        return self.clock

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        raise NotImplementedError


def places(pool: Pretended, number: int) -> list[int]:
    found = list(scheduled(pool, calls(number)))
    assert [int(one.body) for one in found] == [one.call.place for one in found]
    return [one.call.place for one in found]


def test_every_call_is_answered_once_and_given_once() -> None:
    pool = Pretended(3, {})
    assert sorted(places(pool, 10)) == list(range(10))
    assert len(pool.given) == 10
    assert not pool.cancelled


def test_what_a_dead_worker_had_goes_to_another_one() -> None:
    pool = Pretended(2, {}, deadly={0: 1, 7: 3})
    assert sorted(places(pool, 8)) == list(range(8))
    assert [place for _, place in pool.given].count(0) == 2
    assert [place for _, place in pool.given].count(7) == 4


@pytest.mark.parametrize("seed", range(20))
def test_any_deaths_and_paces_give_the_same(seed: int) -> None:
    chance = Random(seed)
    seconds = {(worker, place): chance.uniform(0.1, 5) for worker in range(4) for place in range(30)}
    pool = Pretended(4, seconds, deadly={chance.randrange(30): chance.randrange(1, 4) for _ in range(8)})
    assert sorted(places(pool, 30)) == list(range(30))


def test_a_slow_call_is_given_again_when_nothing_is_left_and_counts_once() -> None:
    pool = Pretended(2, {(0, 0): 100.0})
    assert sorted(places(pool, 6)) == list(range(6))
    assert pool.given.count((1, 0)) == 1
    assert pool.clock < 10


def test_a_call_that_takes_its_usual_time_is_not_given_again() -> None:
    pool = Pretended(3, {(0, 3): 1.2, (1, 4): 1.3})
    places(pool, 5)
    assert len(pool.given) == 5


def test_a_long_call_is_held_against_its_steps() -> None:
    pool, long = Pretended(2, {(0, 0): 50.0}), [Call(ORDER, "do", 0, b"0", steps=50), *calls(11)[1:]]
    assert len(list(scheduled(pool, long))) == 11
    assert len(pool.given) == 11


def test_a_call_that_costs_too_many_workers_ends_it() -> None:
    pool = Pretended(2, {}, deadly={1: 100})
    with pytest.raises(EngineFailed, match="killed") as raised:
        places(pool, 3)
    assert raised.value.where == "shard 2 of 3"
    assert [place for _, place in pool.given].count(1) == DEATHS
    assert pool.cancelled


def test_the_error_is_that_of_the_first_call_that_fails() -> None:
    """As with one worker, though call 5 fails while call 2 still runs."""
    pool = Pretended(4, {(2, 2): 9.0}, bad=(2, 5))
    with pytest.raises(BadData) as raised:
        places(pool, 12)
    assert raised.value.where == "2"
    assert max(place for _, place in pool.given) < 12


def test_who_wants_no_more_ends_what_is_running() -> None:
    pool = Pretended(2, {})
    begun = scheduled(pool, calls(9))
    next(begun)
    del begun
    assert pool.cancelled
