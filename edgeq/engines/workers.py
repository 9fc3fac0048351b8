"""The engine of workers: packs jobs, hands their shards out, and reads what comes back."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from edgeq.engines.bench import lost_again_and_again, unreadable
from edgeq.engines.kept import KeptShards
from edgeq.engines.local import THREADS
from edgeq.engines.merging import merged
from edgeq.engines.parcel import Parcel, answer, function_name, packed, read_answer
from edgeq.engines.pool import Call, Order, PartsLost, Pool, Ticket
from edgeq.engines.protocol import Job, O, P, Q, R, S, T
from edgeq.engines.schedule import DEATHS, scheduled
from edgeq.progress import Progress

#: jobs for which a model or an array stays where the workers find it: the next ones often need it
STAYS = 8


class Workers:
    """Does jobs on the workers of a pool."""

    def __init__(self, pool: Pool, *, shard: int | None = None, kept: KeptShards | None = None) -> None:
        """shard: see Engine. kept: what earlier runs have finished; None: nothing is kept."""
        self.pool, self.shard, self._kept = pool, shard, kept
        self.threads, self._numbers = THREADS, count()
        #: sha256 (hex) of what was published -> its ticket, and the last order that needed it
        self._blobs: dict[str, tuple[Ticket, int]] = {}
        #: the job that is to come again, as it was packed
        self._open: tuple[Job[Any, Any, Any], Parcel, Order] | None = None

    @property
    def workers(self) -> int:
        """See Engine."""
        return self.pool.size

    def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        """See Engine."""
        known = None if self._open is None or self._open[0] is not job else self._open
        parcel = packed(job.setup) if known is None else known[1]
        bodies, steps = [answer(shard) for shard in shards], [job.steps(shard) for shard in shards]
        kept = None if job.remembers else self._kept
        finished = {} if kept is None else kept.of(job, parcel, bodies)
        for place, body in finished.items():
            progress.advance(steps[place])
            yield place, _read(body)
        left = [place for place in range(len(shards)) if place not in finished]
        if not left:
            return
        order = self._order(job, parcel) if known is None else known[2]
        calls = [Call(order, "do", place, bodies[place], steps[place]) for place in left]
        try:
            for found in scheduled(self.pool, calls, copies=not job.remembers):
                place = found.call.place
                if kept is not None:
                    kept.put(job, parcel, bodies[place], found.body)
                progress.advance(steps[place])
                yield place, _read(found.body)
        finally:
            self._forget(job, parcel, order)

    def reduce(
        self, job: Job[T, S, Sequence[P]], shards: Sequence[S], finish: Job[R, tuple[O, P], Q], owners: Sequence[O],
        progress: Progress,
    ) -> Iterator[tuple[int, Q]]:  # fmt: skip
        """See Engine. What is kept is what came of each owner: parts are large."""
        first, second, ends = packed(job.setup), packed(finish.setup), [answer(one) for one in owners]
        bodies = [answer(shard) for shard in shards]
        blobs, paths = {**first.blobs, **second.blobs}, (*first.paths, *second.paths)
        whole = Parcel(b"".join((first.body, second.body, *bodies)), blobs, paths)
        finished = {} if self._kept is None else self._kept.of(finish, whole, ends)
        yield from ((place, _read(body)) for place, body in finished.items())
        left = [place for place in range(len(owners)) if place not in finished]
        if not left:
            progress.advance(sum(map(job.steps, shards)))
            return
        order, ending, parts = self._order(job, first), self._order(finish, second), dict[int, Sequence[Ticket]]()
        calls = [Call(order, "split", place, body, job.steps(shards[place]), len(owners)) for place, body in enumerate(bodies)]
        try:
            for losses in count(1):
                for found in scheduled(self.pool, [call for call in calls if call.place not in parts]):
                    parts[found.call.place] = found.parts
                    progress.advance(found.call.steps if losses == 1 else 0)
                try:
                    for place, body in self._finished(ending, [(place, ends[place]) for place in left], parts):
                        left.remove(place)
                        if self._kept is not None:
                            self._kept.put(finish, whole, ends[place], body)
                        yield place, _read(body)
                    return
                except PartsLost as lost:  # shards whose parts are gone are done again; merging begins anew
                    if losses == DEATHS:
                        raise lost_again_and_again() from None
                    parts = {place: own for place, own in parts.items() if not lost.tickets.intersection(own)}
        finally:
            self.pool.forget([order.body, ending.body, *(ticket for one in parts.values() for ticket in one)])

    def _finished(
        self, ending: Order, owners: Sequence[tuple[int, bytes]], parts: Mapping[int, Sequence[Ticket]]
    ) -> Iterator[tuple[int, bytes]]:
        """What comes of owners (place, packed), packed; then their parts are forgotten.

        Raises PartsLost.
        """
        columns = merged(self.pool, ending, [tuple(one[place] for one in parts.values()) for place, _ in owners])
        last = [Call(ending, "finish", place, body, parts=column) for (place, body), column in zip(owners, columns, strict=True)]
        for done in scheduled(self.pool, last):
            self.pool.forget([*done.call.parts, *(one[done.call.place] for one in parts.values())])
            yield done.call.place, done.body

    def close(self) -> None:
        """See Engine."""
        self.pool.close()

    def _forget(self, job: Job[T, S, R], parcel: Parcel, order: Order) -> None:
        """Forget a job that is over, or the one before it that was to come again."""
        if self._open is not None and self._open[2] is not order:
            self.pool.forget([self._open[2].body])
            self._open = None
        if job.again or job.remembers:
            self._open = (job, parcel, order)
        else:
            self.pool.forget([order.body])

    def _order(self, job: Job[T, S, R], parcel: Parcel) -> Order:
        number = next(self._numbers)
        for digest, content in parcel.blobs.items():
            ticket = self._blobs[digest][0] if digest in self._blobs else self.pool.publish(content)
            self._blobs[digest] = (ticket, number)
        for digest, (ticket, last) in list(self._blobs.items()):
            if last < number - STAYS:
                del self._blobs[digest]
                self.pool.forget([ticket])
        blobs = tuple((digest, self._blobs[digest][0]) for digest in parcel.blobs)
        return Order(number, function_name(job.open), self.pool.publish(parcel.body), blobs)


def _read(body: bytes) -> Any:
    try:
        return read_answer(body)
    except pickle.UnpicklingError as error:
        raise unreadable(error) from error
