"""A pool of workers that only take time, on a clock that is set: what a cluster may do to a run."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from edgeq.engines.pool import Call, Done, Event, Lost, Ticket

#: seconds of a sample, of a start on average; share of slow workers, and how much slower they are;
#: seconds after which a worker dies, on average
SAMPLE_S, START_S, SLOW, SLOWER, MTBF_S = 0.02, 20.0, 0.05, 4.0, 3600.0
#: bytes a second of a machine
NETWORK = 500e6
#: bytes a second that are added up or written
MEMORY = 2e9


@dataclass(eq=False)
class Simulated:
    """A pool of workers that only take time."""

    size: int
    seed: int = 0
    #: seconds of one step, and bytes of a part of an owner
    step_s: float = SAMPLE_S
    part: float = 0.0
    #: whether the workers are up already, from the step before
    up: bool = False
    clock: float = 0.0
    #: workers that died
    lost: int = 0
    _free: list[int] = field(default_factory=list)
    #: what happens when: seconds, worker, call, whether the worker dies
    _ahead: list[tuple[float, int, int, Call | None, bool]] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self._chance = Random(self.seed)
        self._slow: dict[int, float] = {}
        self._dies: dict[int, float] = {}
        for _ in range(self.size):
            self._start()

    def _start(self) -> None:
        self._count += 1
        born = START_S * self._chance.uniform(0.5, 1.5)
        up = self.clock + (0.0 if self.up and self._count <= self.size else born)
        self._slow[self._count] = SLOWER if self._chance.random() < SLOW else 1.0
        self._dies[self._count] = up + self._chance.expovariate(1 / MTBF_S)
        heapq.heappush(self._ahead, (up, len(self._ahead), self._count, None, False))

    def publish(self, content: bytes | memoryview) -> Ticket:
        return bytes(content)

    def forget(self, tickets: Sequence[Ticket]) -> None:
        """Nothing was published."""

    def idle(self) -> Sequence[int]:
        return list(self._free)

    def give(self, worker: int, call: Call) -> None:
        self._free.remove(worker)
        end = self.clock + self._seconds(call) * self._slow[worker] * self._chance.uniform(0.9, 1.1)
        dies = self._dies[worker] < end
        heapq.heappush(self._ahead, (min(end, self._dies[worker]) if dies else end, self._chance.getrandbits(60), worker, call, dies))

    def _seconds(self, call: Call) -> float:
        """What a call takes: runs, writing of parts, reading of parts from other machines."""
        if call.kind in ("merge", "finish"):
            return len(call.parts) * self.part * (1 / NETWORK + 1 / MEMORY)
        return call.steps * self.step_s + call.owners * self.part / MEMORY

    def wait(self, seconds: float) -> list[Event]:
        if not self._ahead or self._ahead[0][0] > self.clock + seconds:
            self.clock += seconds
            return []
        when, _, worker, call, dies = heapq.heappop(self._ahead)
        self.clock = max(self.clock, when)
        if dies:
            self.lost += 1
            self._start()
            return [Lost(worker, "killed")]
        self._free.append(worker)
        return [] if call is None else [Done(worker, call, parts=tuple(range(call.owners)))]

    def now(self) -> float:
        return self.clock

    def cancel(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is open."""
