"""Do jobs in child processes, so that a crash or a hang costs one job."""

from __future__ import annotations

import faulthandler
import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks.onnx_cases.outcome import Job, Outcome

Work = Callable[[Job], Outcome]

#: jobs of one child, so that what a job leaves behind (memory, warmed-up state) does not add up
_PER_CHILD = 60


@dataclass(eq=False)
class _Child:
    process: multiprocessing.process.BaseProcess
    pipe: Connection
    #: what it still has to do, the job that it is at first
    jobs: list[Job]
    #: when it began that job
    since: float


def in_children(work: Work, jobs: Sequence[Job], children: int, seconds: float) -> Iterator[Outcome]:
    """Do all jobs, in up to `children` processes at a time; yields outcomes as they come.

    seconds: limit for one job. A child is a fork: it has what this process has loaded. A child that
    ends early, or whose job takes too long, costs that job; another child does the rest.
    """
    waiting = [list(jobs[start : start + _PER_CHILD]) for start in range(0, len(jobs), _PER_CHILD)][::-1]
    busy: list[_Child] = []
    while waiting or busy:
        while waiting and len(busy) < children:
            busy.append(_start(work, waiting.pop()))
        multiprocessing.connection.wait([child.pipe for child in busy], timeout=1.0)
        for child in list(busy):
            yield from _received(child)
            if not child.jobs:
                child.process.join()
                busy.remove(child)
            elif child.pipe.closed or time.monotonic() - child.since > seconds:
                yield _lost(child, seconds)
                busy.remove(child)
                if child.jobs[1:]:
                    waiting.append(child.jobs[1:])


def _start(work: Work, jobs: list[Job]) -> _Child:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work_through, args=(work, jobs, there), daemon=True)
    process.start()
    there.close()
    return _Child(process, here, jobs, time.monotonic())


def _work_through(work: Work, jobs: list[Job], pipe: Connection) -> None:
    faulthandler.disable()  # how a child ended is told by its exit code
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    for job in jobs:
        pipe.send(work(job))
    pipe.close()


def _received(child: _Child) -> Iterator[Outcome]:
    """What the child has sent; its pipe is closed where the child has ended."""
    try:
        while not child.pipe.closed and child.pipe.poll():
            outcome = child.pipe.recv()
            child.jobs, child.since = child.jobs[1:], time.monotonic()
            yield outcome
    except EOFError:
        child.pipe.close()


def _lost(child: _Child, seconds: float) -> Outcome:
    hung = child.process.is_alive() and not child.pipe.closed
    if hung:
        child.process.kill()
    child.process.join()
    code = child.process.exitcode or 0
    ended = f"more than {seconds:g} s" if hung else (signal.Signals(-code).name if code < 0 else f"exit code {code}")
    return Outcome(child.jobs[0], "process ended", ended)
