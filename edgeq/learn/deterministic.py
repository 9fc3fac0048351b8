"""Torch's settings while edgeq computes with it, and the caller's again afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import torch

#: threads of torch, on every machine: it splits sums by their number, and so each gives other bits;
#: more gain little at the batches of training, and on fewer cores they take turns
THREADS = 4


@dataclass
class _Inside:
    """Who is inside of `deterministic`, in all threads of the process: its settings are torch's."""

    lock = Lock()
    #: how many are inside
    count: int = 0
    #: the caller's settings: whether deterministic, and the number of threads
    before: tuple[bool, int] = (False, 1)
    #: the state of the caller's random generator
    generator: torch.Tensor | None = None


_INSIDE = _Inside()


@contextmanager
def deterministic() -> Iterator[None]:
    """Restrict torch to deterministic algorithms and THREADS threads inside the block.

    Afterwards the caller's settings and the state of its random generator are restored: by the last
    who leaves, where several threads are inside.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    with _INSIDE.lock:
        if _INSIDE.count == 0:
            _INSIDE.before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
            _INSIDE.generator = torch.get_rng_state()
        _INSIDE.count += 1
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(THREADS)


def _leave() -> None:
    with _INSIDE.lock:
        _INSIDE.count -= 1
        if _INSIDE.count == 0:
            was, threads = _INSIDE.before
            torch.use_deterministic_algorithms(was)
            torch.set_num_threads(threads)
            assert _INSIDE.generator is not None  # of the first who entered
            torch.set_rng_state(_INSIDE.generator)
