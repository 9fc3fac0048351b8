"""Workers as processes of this machine.

Not by concurrent.futures: there, one process that is killed breaks the pool and loses the answers
of all others. Not by multiprocessing: its processes import the user's main module again.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from time import monotonic
from typing import BinaryIO, cast

from edgeq.engines import frames
from edgeq.engines.bench import error_from
from edgeq.engines.child import Message
from edgeq.engines.pool import Call, Done, Event, Failed, Lost, Ticket
from edgeq.errors import EngineFailed
from edgeq.io.temporaries import ScratchFolder

#: what numpy's and other libraries' threads obey: a worker is one thread
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
#: last lines of a log that a message shows, and workers that may die before they are up
SHOWN, UNBORN = 3, 3


class _Child:
    """One process."""

    def __init__(self, number: int, log: Path, events: queue.SimpleQueue[tuple[int, Message | None]]) -> None:
        self.number, self.log, self.call, self.up = number, log, cast("Call | None", None), False
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "edgeq.engines.child"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=os.environ | _ONE_THREAD,
            )  # fmt: skip
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def _listen(self, events: queue.SimpleQueue[tuple[int, Message | None]]) -> None:
        while True:
            try:
                events.put((self.number, cast(Message, frames.read(cast(BinaryIO, self.process.stdout)))))
            except (EOFError, OSError, ValueError):
                events.put((self.number, None))
                return

    def send(self, call: Call) -> None:
        """Give it a call; one that is dead says so by itself."""
        self.call = call
        with contextlib.suppress(OSError):
            frames.write(cast(BinaryIO, self.process.stdin), call)

    def end(self) -> None:
        """Kill it and wait for its end."""
        self.process.kill()
        with contextlib.suppress(OSError):
            cast(BinaryIO, self.process.stdin).close()
        self.process.wait()


class Processes:
    """A pool of processes; they are started when the first call is to be handed out."""

    def __init__(self, size: int, logs: Path | None = None) -> None:
        """logs: the folder for the logs of the workers; None: they go with the pool."""
        self.size, self._scratch, self._events = size, ScratchFolder(), queue.SimpleQueue[tuple[int, Message | None]]()
        self._folder, self._logs = self._scratch.path, logs or self._scratch.path
        self._children: dict[int, _Child] = {}
        self._numbers, self._names = count(1), count()
        self._unborn = 0

    def publish(self, content: bytes | memoryview) -> Ticket:
        """See Pool; a path."""
        path = self._folder / f"given-{next(self._names)}"
        path.write_bytes(content)
        return str(path)

    def forget(self, tickets: Sequence[Ticket]) -> None:
        """See Pool; who has a file mapped keeps it."""
        for ticket in tickets:
            with contextlib.suppress(OSError):
                Path(cast(str, ticket)).unlink()

    def idle(self) -> list[int]:
        """See Pool."""
        while len(self._children) < self.size:
            self._start()
        return [number for number, child in self._children.items() if child.up and child.call is None]

    def give(self, worker: int, call: Call) -> None:
        """See Pool."""
        self._children[worker].send(call)

    def wait(self, seconds: float) -> list[Event]:
        """See Pool."""
        found = list[Event]()
        with contextlib.suppress(queue.Empty):
            found += self._heard(*self._events.get(timeout=seconds))
            while True:
                found += self._heard(*self._events.get_nowait())
        return found

    def now(self) -> float:
        """See Pool."""
        return monotonic()

    def cancel(self) -> None:
        """See Pool; those that work are killed, and others are started when they are needed."""
        for number in [number for number, child in self._children.items() if child.call is not None]:
            self._children.pop(number).end()

    def close(self) -> None:
        """See Pool."""
        for child in self._children.values():
            child.end()
        self._children.clear()
        self._scratch.close()

    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [child.process.pid for child in list(self._children.values())]

    def _start(self) -> None:
        number = next(self._numbers)
        self._children[number] = _Child(number, self._logs / f"worker-{number}.log", self._events)

    def _heard(self, number: int, message: Message | None) -> list[Event]:
        child = self._children.get(number)
        if child is None:
            return []
        if message is None:
            return [self._lost(self._children.pop(number))]
        kind, content = message
        if kind == "up":
            child.up, self._unborn = True, 0
            return []
        call, child.call = child.call, None
        assert call is not None
        if kind == "failed":
            return [Failed(number, call, error_from(cast(bytes, content), call))]
        if call.owners:
            return [Done(number, call, parts=cast("tuple[str, ...]", content))]
        return [Done(number, call, cast(bytes, content))]

    def _lost(self, child: _Child) -> Lost:
        child.end()
        code = child.process.returncode
        lines = child.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-SHOWN:] if child.log.exists() else []
        why = "; ".join([f"signal {-code}" if code < 0 else f"exit code {code}", *lines])
        if not child.up:
            self._unborn += 1
            if self._unborn >= UNBORN:
                raise EngineFailed(f"Workers end before they are up: {why}", "--engine", "Run with --engine local.")
        return Lost(child.number, why)
