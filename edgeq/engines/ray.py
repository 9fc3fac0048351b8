"""Workers as actors of Ray, on this machine or on a cluster. The only importer of ray.

Nothing but calls and references travels: a class of edgeq is found by its name, so edgeq has to be
installed on all machines, in the same version. An actor that dies is replaced here and not by Ray,
so that the schedule sees it and counts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edgeq.engines.bench import Bench, error_from, packed_error
from edgeq.engines.knock import knock
from edgeq.engines.pool import Call, Done, Event, Failed, Lost, Ticket
from edgeq.errors import EngineFailed, MissingExtra
from edgeq.numerics.arrays import AnyArray

if TYPE_CHECKING:
    from types import ModuleType

#: bytes for what travels where Ray is started here; what does not fit goes to the disk
STORE_BYTES = 512 << 20
#: actors that may die before they are up
UNBORN = 3


class Worker:
    """What runs in an actor."""

    def __init__(self) -> None:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

        self._limits, self._bench = threadpool_limits(1, user_api="blas"), Bench(_fetched)

    def up(self) -> int:
        """The id of its process."""
        return os.getpid()

    def work(self, call: Call) -> object:
        """Whether it went well, and the packed answer or error; behind it, the parts of a split."""
        try:
            found = self._bench.work(call)
        except Exception as error:
            return _answer(False, packed_error(error, call), [None] * call.owners)
        if not call.owners:
            return True, found[0]
        return _answer(True, b"", [np.frombuffer(part, np.uint8) for part in found])


def _answer(well: bool, body: bytes, parts: Sequence[AnyArray | None]) -> object:
    """As many values as Ray was told that there are."""
    return ((well, body), *parts) if parts else (well, body)


class RayActors:
    """A pool of actors."""

    def __init__(self, size: int | None, address: str | None = None) -> None:
        """size: None: a worker for each core. address: of the cluster; None: Ray is started here.

        Raises MissingExtra without Ray, and EngineFailed where the cluster cannot be reached.
        """
        self._ray: Any = _imported()
        self._mine = not self._ray.is_initialized()
        if self._mine:
            _start(self._ray, size, address)
        self.size = size or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._class = self._ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
        self._numbers, self._unborn = count(1), 0
        self._actors: dict[int, Any] = {}
        #: the numbers of those that are up, and what each of them does
        self._up, self._busy = set[int](), dict[int, Call]()
        #: what is waited for -> the worker, and whether it is a call
        self._awaited: dict[Any, tuple[int, bool]] = {}
        self._parts: dict[int, Sequence[Ticket]] = {}

    def publish(self, content: bytes | memoryview) -> Ticket:
        """See Pool; a reference."""
        return cast(Ticket, self._ray.put(np.frombuffer(content, np.uint8)))

    def forget(self, tickets: Sequence[Ticket]) -> None:
        """See Pool; Ray forgets what nobody refers to."""

    def idle(self) -> list[int]:
        """See Pool."""
        while len(self._actors) < self.size:
            number = next(self._numbers)
            actor = self._class.options(name=f"edgeq-{os.getpid()}-{number}").remote()
            self._actors[number] = actor
            self._awaited[actor.up.remote()] = (number, False)
        return [number for number in self._actors if number in self._up and number not in self._busy]

    def give(self, worker: int, call: Call) -> None:
        """See Pool."""
        self._busy[worker] = call
        method = self._actors[worker].work
        if call.owners:
            first, *parts = method.options(num_returns=call.owners + 1).remote(call)
            self._parts[worker] = parts
        else:
            first = method.remote(call)
        self._awaited[first] = (worker, True)

    def wait(self, seconds: float) -> list[Event]:
        """See Pool."""
        if not self._awaited:
            return []
        ready, _ = self._ray.wait(list(self._awaited), num_returns=1, timeout=seconds)
        more, _ = self._ray.wait(list(self._awaited), num_returns=len(self._awaited), timeout=0) if ready else ([], [])
        return [event for one in dict.fromkeys([*ready, *more]) if (event := self._heard(one)) is not None]

    def now(self) -> float:
        """See Pool."""
        return monotonic()

    def cancel(self) -> None:
        """See Pool; those that work are killed, and others are started when they are needed."""
        for number in list(self._busy):
            self._end(number)

    def close(self) -> None:
        """See Pool; a cluster that was there before stays."""
        for number in list(self._actors):
            self._end(number)
        if self._mine:
            self._ray.shutdown()

    def pids(self) -> list[int]:
        """The ids of the processes of all workers, once they are up."""
        return [int(pid) for pid in self._ray.get([actor.up.remote() for actor in self._actors.values()])]

    def _heard(self, reference: Any) -> Event | None:
        worker, is_call = self._awaited.pop(reference)
        try:
            found = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return self._lost(worker, error) if worker in self._actors else None
        if not is_call:
            self._up.add(worker)
            self._unborn = 0
            return None
        call, parts = self._busy.pop(worker), self._parts.pop(worker, ())
        well, body = found
        if not well:
            return Failed(worker, call, error_from(body, call))
        return Done(worker, call, body, tuple(parts))

    def _lost(self, worker: int, error: Exception) -> Lost:
        why, born = " ".join(str(error).split())[:300], worker in self._up
        self._end(worker)
        if not born:
            self._unborn += 1
            if self._unborn >= UNBORN:
                raise EngineFailed(f"Actors end before they are up: {why}", "--engine ray", "Install the same edgeq on all machines.")
        return Lost(worker, why)

    def _end(self, worker: int) -> None:
        self._ray.kill(self._actors.pop(worker))
        self._awaited = {one: whose for one, whose in self._awaited.items() if whose[0] != worker}
        self._up.discard(worker)
        self._busy.pop(worker, None)
        self._parts.pop(worker, None)


def _imported() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("--engine ray needs Ray.", "edgeq[ray]", "Install it: pip install 'edgeq[ray]'.") from error
    return cast("ModuleType", ray)


def _start(ray: Any, size: int | None, address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a quantizer tells nobody what it does
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if address is None:
            ray.init(address="local", num_cpus=size, include_dashboard=False, object_store_memory=STORE_BYTES, **quiet)
        else:
            knock(address)
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "this machine" if address is None else f"--address {address}"
        fix = "Look at `ray status` on the head of the cluster, or leave --address out to start Ray here."
        raise EngineFailed(f"Ray cannot be reached: {' '.join(str(error).split())[:300]}", where, fix) from error


def _fetched(ticket: Ticket) -> AnyArray:
    ray: Any = _imported()
    try:
        return cast(AnyArray, ray.get(ticket))
    except ray.exceptions.ObjectLostError as error:  # with the machine that had it
        raise LookupError(str(ticket)) from error
