"""What a worker does: open a job when its first call comes, and keep it open for the next ones."""

from __future__ import annotations

import importlib
import pickle
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import cast

from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.engines.parcel import answer, function_of, read_answer, unpacked
from edgeq.engines.pool import Call, Order, PartsLost, Ticket
from edgeq.engines.protocol import Opened, Part
from edgeq.errors import EdgeqError, EngineFailed
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Silent

#: the content of something that was published, as uint8 [bytes]; LookupError where it is gone
Fetch = Callable[[Ticket], AnyArray]


@dataclass(eq=False)
class Bench:
    """A worker's place: one job is open at a time."""

    fetch: Fetch
    _number: int | None = None
    _does: Opened[object, object] | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def work(self, call: Call) -> list[bytes]:
        """What comes of a call, packed: one answer, or a part for each owner.

        Raises what the job raises.
        """
        if call.kind == "merge":
            return [answer(self._merged(call.parts))]
        does = self._opened(call.order)
        shard = read_answer(call.body)
        if call.kind == "finish":
            shard = (shard, self._merged(call.parts))
        with using(Local(1)):
            found = does(shard, Silent())
        return [answer(one) for one in cast(Sequence[object], found)] if call.kind == "split" else [answer(found)]

    def close(self) -> None:
        """Close the job that is open."""
        self._stack.close()
        self._number = self._does = None

    def _opened(self, order: Order) -> Opened[object, object]:
        if self._does is None or self._number != order.number:
            self.close()
            tickets = dict(order.blobs)
            setup = unpacked(self.fetch(order.body).tobytes(), lambda digest: self.fetch(tickets[digest]))
            opener = cast(Callable[[object], AbstractContextManager[Opened[object, object]]], function_of(order.function))
            with using(Local(1)):
                self._does = self._stack.enter_context(opener(setup))
            self._number = order.number
        return self._does

    def _merged(self, tickets: Sequence[Ticket]) -> Part:
        """All parts, of which no more than two are in memory. Raises PartsLost."""
        whole, lost = None, list[Ticket]()
        for ticket in tickets:
            try:
                content = self.fetch(ticket)
            except LookupError:
                lost.append(ticket)
                continue
            if not lost:
                part = cast(Part, read_answer(content.tobytes()))
                whole = part if whole is None else whole.merge(part)
        if lost or whole is None:
            raise PartsLost(lost)
        return whole


def packed_error(error: Exception, call: Call) -> bytes:
    """The error of a call as bytes: one of edgeq as it is, any other as its type and traceback."""
    if isinstance(error, PartsLost):
        return answer([call.parts.index(ticket) for ticket in error.tickets])
    if isinstance(error, EdgeqError):
        return answer((type(error).__name__, *error.options))
    return answer(("", f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)), ""))


def error_from(body: bytes, call: Call) -> Exception:
    """The error of a call. A mistake of edgeq stays one, with the worker's traceback."""
    content = read_answer(body)
    if isinstance(content, list):
        return PartsLost([call.parts[place] for place in content])
    kind, what, where, fix = cast(tuple[str, str, str, str], content)
    if not kind:
        return RuntimeError(f"{what}\n\nIn a worker:\n{where}")
    found: type[EdgeqError] = getattr(importlib.import_module("edgeq.errors"), kind)
    return found(what, where, fix)


def unreadable(error: pickle.UnpicklingError) -> EngineFailed:
    """What a worker or a folder gave that edgeq did not write."""
    return EngineFailed(f"An answer cannot be read: {error}.", "--engine", "Let all workers run the same version of edgeq.")


def lost_again_and_again() -> EngineFailed:
    """Machines go faster than their shards are done again."""
    return EngineFailed("Parts of shards were lost again and again.", "--engine", "Look for what ends the machines of the cluster.")
