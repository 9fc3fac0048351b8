"""Hand out calls to workers so that each counts once, whatever happens to the workers.

A call whose worker died is handed out again, up to DEATHS times. When nothing is left to hand out,
an idle worker gets a copy of the call that has been running for too long; the first answer counts.
What fails with an error fails anywhere: calls before it are still done, so that the error that is
raised is that of the first call that fails, as it were with one worker.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from edgeq.engines.pool import Call, Done, Failed, Lost, Pool
from edgeq.errors import EngineFailed

#: workers that one call may cost: the sixth would die of it as well
DEATHS = 5
#: how many times the usual seconds a call takes before it is handed out a second time
LATE = 1.5
#: seconds after which a slow call is looked for again, and after which it is nothing to wait for
LOOK_S, PATIENT_S = 0.1, 5.0


@dataclass(eq=False)
class _State:
    """Which calls are left, running and done."""

    calls: Sequence[Call]
    todo: deque[int]
    #: whether late calls are handed out a second time
    copies: bool
    #: worker -> its call and when it began
    running: dict[int, tuple[int, float]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    deaths: Counter[int] = field(default_factory=Counter)
    #: seconds for each step of the calls that were answered
    paces: list[float] = field(default_factory=list)
    #: the first call that failed, and its error
    failed: tuple[int, Exception] | None = None

    @property
    def left(self) -> bool:
        """Whether calls are to be waited for: those before the first one that failed."""
        if self.failed is None:
            return len(self.done) < len(self.calls)
        return any(place not in self.done for place in range(self.failed[0]))

    def next(self, now: float) -> int | None:
        """The call for an idle worker."""
        while self.todo:
            place = self.todo.popleft()
            if place not in self.done and (self.failed is None or place < self.failed[0]):
                return place
        return self._late(now)

    def _late(self, now: float) -> int | None:
        """The call that is the latest, if it runs once only."""
        if not self.paces or not self.copies:
            return None
        usual, copies = median(self.paces), Counter(place for place, _ in self.running.values())
        late = [
            ((now - began) / self.calls[place].steps, -place)
            for place, began in self.running.values()
            if copies[place] == 1 and place not in self.done and now - began > LATE * usual * self.calls[place].steps
        ]
        return -max(late)[1] if late else None


def scheduled(pool: Pool, calls: Sequence[Call], *, copies: bool = True) -> Iterator[Done]:
    """Do all calls; yields the first answer to each, as they come.

    The place of a call is its index in `calls`. copies: whether late ones are handed out a second
    time. Raises what a call has raised, and EngineFailed
    where the workers of one call die again and again.
    """
    state, whole = _State(calls, deque(range(len(calls))), copies), False
    try:
        while state.left:
            _hand_out(pool, state)
            for event in pool.wait(LOOK_S if state.paces and not state.todo else PATIENT_S):
                found = _heard(event, state, pool.now())
                if found is not None:
                    yield found
        if state.failed is not None:
            raise state.failed[1]
        whole = True
    finally:
        if not whole:  # a worker that still computes a copy of what is done ends it, and is idle then
            pool.cancel()


def _hand_out(pool: Pool, state: _State) -> None:
    for worker in pool.idle():
        place = state.next(pool.now())
        if place is None:
            return
        state.running[worker] = (place, pool.now())
        pool.give(worker, state.calls[place])


def _heard(event: Done | Failed | Lost, state: _State, now: float) -> Done | None:
    """Note an event; returns the answer if it is the first to its call."""
    place, began = state.running.pop(event.worker, (None, 0.0))
    if isinstance(event, Lost):
        if place is not None and place not in state.done:
            _lost(place, event, state)
        return None
    if place is None or event.call is not state.calls[place] or place in state.done:
        return None
    if isinstance(event, Failed):
        if state.failed is None or place < state.failed[0]:
            state.failed = (place, event.error)
        return None
    state.done.add(place)
    state.paces.append((now - began) / event.call.steps)
    return event


def _lost(place: int, event: Lost, state: _State) -> None:
    state.deaths[place] += 1
    if state.deaths[place] >= DEATHS:
        what = f"{DEATHS} workers died one after the other at the same work: {event.why}"
        fix = "Give it more memory or fewer --workers, or find what ends the processes in their logs."
        raise EngineFailed(what, f"shard {place + 1} of {len(state.calls)}", fix)
    if not any(running == place for running, _ in state.running.values()):
        state.todo.appendleft(place)
