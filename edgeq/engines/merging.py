"""Merge the parts of owners on their way, like a tree: no owner reads the parts of all shards."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.engines.pool import Call, Order, Pool, Ticket
from edgeq.engines.schedule import scheduled

#: parts that an owner reads anyway: fewer are not worth a call
FAN = 8
#: the parts of one owner
Column = tuple[Ticket, ...]


def merged(pool: Pool, order: Order, columns: Sequence[Column]) -> list[Column]:
    """The parts of each owner, fewer of them where there are more workers than owners.

    Each worker then merges some parts of one owner. Where there are as many owners as workers, all
    are busy with owners anyway, and the parts stay as they are. What was merged is not forgotten:
    where that of several shards is lost, it is merged again.
    """
    together = pool.size // max(1, len(columns))
    if together < 2 or len(columns[0]) <= FAN:
        return list(columns)
    size = max(FAN, -(-len(columns[0]) // together))
    calls, owners = list[Call](), list[int]()
    for owner, column in enumerate(columns):
        for start in range(0, len(column), size):
            calls.append(Call(order, "merge", len(calls), b"", owners=1, parts=column[start : start + size]))
            owners.append(owner)
    found: list[list[Ticket]] = [[] for _ in columns]
    for done in scheduled(pool, calls):
        found[owners[done.call.place]] += done.parts
    return [tuple(column) for column in found]
