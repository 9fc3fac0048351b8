"""Merge the parts of owners on their way, like a tree: no owner reads the parts of all shards."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.engines.pool import Call, Order, Pool, Ticket
from edgeq.engines.schedule import scheduled

#: parts that become one: a tree of few levels, and few bytes beyond those of the parts themselves
FAN = 8
#: the parts of one owner
Column = tuple[Ticket, ...]


def merged(pool: Pool, order: Order, columns: Sequence[Column]) -> list[Column]:
    """The parts of each owner, merged to FAN of them at most.

    Where there are as many owners as workers, all workers are busy with owners anyway: then the
    parts stay as they are. What was merged is forgotten.
    """
    found = list(columns)
    while found and len(found) < pool.size and len(found[0]) > FAN:
        places = [(owner, start) for owner, column in enumerate(found) for start in range(0, len(column), FAN)]
        near = [found[owner][start : start + FAN] for owner, start in places]
        calls = [Call(order, "merge", place, b"", owners=1, parts=parts) for place, parts in enumerate(near)]
        above: list[list[Ticket]] = [[] for _ in found]
        for done in scheduled(pool, calls):
            pool.forget(done.call.parts)
            above[places[done.call.place][0]] += done.parts
        found = [tuple(column) for column in above]
    return found
