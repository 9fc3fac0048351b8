"""A worker as a process of this machine: `python -m edgeq.engines.child`, which processes.py runs.

Calls come on standard input, answers go to standard output; what libraries print goes to the log.
It ends with the process that started it.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.engines import frames
from edgeq.engines.bench import Bench, packed_error
from edgeq.engines.pool import Call, Ticket
from edgeq.numerics.arrays import AnyArray

#: the numbers of the parts that this process has left
_numbers = count()
#: what it sends: "up", with nothing; "done", with the packed answer or the paths of the parts;
#: "failed", with the packed error
Message = tuple[str, object]


def main() -> None:
    """Work until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; whoever started this one ends it
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not spoil an answer
    calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, calls), daemon=True).start()
    bench = Bench(fetched)
    frames.write(answers, ("up", None))
    with threadpool_limits(1, user_api="blas"):
        while True:
            frames.write(answers, _message(bench, calls.get()))


def _listen(file: BinaryIO, calls: queue.SimpleQueue[Call]) -> None:
    """Hand on what comes; the end of it is the end of this process, whatever it computes."""
    while True:
        try:
            calls.put(cast(Call, frames.read(file)))
        except (EOFError, OSError):
            os._exit(0)


def _message(bench: Bench, call: Call) -> Message:
    try:
        found = bench.work(call)
    except Exception as error:
        return "failed", packed_error(error, call)
    if not call.owners:
        return "done", found[0]
    folder = Path(cast(str, call.order.body)).parent
    paths = [folder / f"part-{os.getpid()}-{next(_numbers)}" for _ in found]
    for path, part in zip(paths, found, strict=True):
        path.write_bytes(part)
    return "done", tuple(map(str, paths))


def fetched(ticket: Ticket) -> AnyArray:
    """The content of a file, mapped: workers of one machine have it in memory once.

    Raises LookupError.
    """
    path = Path(cast(str, ticket))
    if not path.exists():
        raise LookupError(str(path))
    # a plain array over the mapping: what is answered with a piece of it is one, too
    return np.asarray(np.memmap(path, np.uint8, "r")) if path.stat().st_size else np.zeros(0, np.uint8)


if __name__ == "__main__":
    main()
