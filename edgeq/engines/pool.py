"""Workers as the schedule sees them: who is idle, who gets a call, and what has happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

#: how workers find what was published: a path, or a reference of Ray
Ticket = object
#: what a call does: answer with the result of a shard; leave a part for each owner where the pool
#: keeps it; leave one in place of several of an owner; or finish an owner from such parts
Kind = Literal["do", "split", "merge", "finish"]


@dataclass(frozen=True, eq=False)
class Order:
    """A job as workers get it."""

    #: different for every job of a pool
    number: int
    #: module:name of the function that opens it
    function: str
    #: what it is called with, packed
    body: Ticket
    #: sha256 (hex) of the blobs that belong to it, with their tickets
    blobs: tuple[tuple[str, Ticket], ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One shard, or one owner, of an order."""

    order: Order
    kind: Kind
    #: its place among the shards or owners
    place: int
    #: the shard or the owner, packed
    body: bytes
    #: steps of progress that it is
    steps: int = 1
    #: split, merge: how many parts it leaves
    owners: int = 0
    #: merge, finish: the parts of the owner
    parts: tuple[Ticket, ...] = ()


@dataclass(frozen=True, eq=False)
class Done:
    """A worker has answered."""

    worker: int
    call: Call
    #: do, finish: the packed answer
    body: bytes = b""
    #: split, merge: the parts that were left
    parts: tuple[Ticket, ...] = ()


@dataclass(frozen=True, eq=False)
class Failed:
    """What a worker was to do has raised an error, which another worker would get as well."""

    worker: int
    call: Call
    #: the error
    error: Exception


class PartsLost(Exception):
    """Parts that a call needs are nowhere any more: the machine that kept them is gone."""

    def __init__(self, tickets: Sequence[Ticket]) -> None:
        super().__init__(tickets)
        self.tickets = frozenset(tickets)


@dataclass(frozen=True, eq=False)
class Lost:
    """A worker has died; the pool has put another one into its place, under a new number."""

    worker: int
    #: the last lines of its log, or why it is taken for dead
    why: str


Event = Done | Failed | Lost


class Pool(Protocol):
    """Workers on this machine or on others."""

    @property
    def size(self) -> int:
        """How many workers there are to be."""

    def publish(self, content: bytes | memoryview) -> Ticket:
        """Put something where all workers find it, until `forget`."""

    def forget(self, tickets: Sequence[Ticket]) -> None:
        """What was published, or kept as parts, is not needed any more."""

    def idle(self) -> Sequence[int]:
        """The workers that are up and have nothing to do."""

    def give(self, worker: int, call: Call) -> None:
        """Let an idle worker do something."""

    def wait(self, seconds: float) -> Sequence[Event]:
        """What has happened; waits so long for something to happen."""

    def now(self) -> float:
        """Seconds since any fixed time."""

    def cancel(self) -> None:
        """End whatever workers are doing."""

    def close(self) -> None:
        """End the workers."""
