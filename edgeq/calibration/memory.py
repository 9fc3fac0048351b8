"""How much memory the passes over the data may take: it changes their speed, not their results."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from edgeq.io.limits import free_bytes

#: bytes that the process grows by before the collector is asked to find what was dropped
GROWN_BYTES = 1 << 26
#: collections of young objects before the old ones are looked at, which is practically never
RARELY = 1 << 30

#: bytes of the process that were in memory when memory was given back last
_SETTLED = [0]

#: bytes, or None: half of what is free; and among how many workers they are divided
_limit: ContextVar[tuple[int | None, int]] = ContextVar("edgeq_memory", default=(None, 1))


@contextmanager
def within_memory(limit: int | None, workers: int = 1) -> Iterator[None]:
    """Let the passes in the body keep to this many bytes; None: to half of what is free.

    workers: how many on this machine share them.
    """
    token = _limit.set((limit, workers))
    try:
        yield
    finally:
        _limit.reset(token)


def memory_budget() -> int:
    """The bytes that may be taken now."""
    limit, workers = _limit.get()
    return (free_bytes() // 2 if limit is None else limit) // workers


def memory_limit() -> int | None:
    """The bytes that passes were told to keep to; None: half of what is free."""
    return _limit.get()[0]


@contextmanager
def collecting_where_grown() -> Iterator[None]:
    """Let the collector look at old objects in the body only where return_freed_memory asks for it.

    By itself it would look at all nodes of all graphs again for each quarter that is added, which
    takes a tenth of the run of a graph of thousands of nodes. What was there before the body, such
    as the modules that are loaded, is not looked at in any case: it stays.
    """
    before = gc.get_threshold()
    if _resident_bytes():
        gc.set_threshold(before[0], before[1], RARELY)
        gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def return_freed_memory() -> None:
    """Give the system back what was freed: glibc keeps blocks of up to 32 MB for the next one.

    Graphs refer to themselves, so that only the collector finds those that were dropped. It runs
    where the process has grown: it takes a second per million objects.
    """
    if _resident_bytes() > _SETTLED[0] + GROWN_BYTES:
        gc.collect()
        _SETTLED[0] = _trimmed()
    else:
        _SETTLED[0] = min(_SETTLED[0], _trimmed())


def _trimmed() -> int:
    """The bytes in memory once glibc has given back what it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
    return _resident_bytes()


def _resident_bytes() -> int:
    """The bytes of the process that are in memory; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError, IndexError):
        return 0
