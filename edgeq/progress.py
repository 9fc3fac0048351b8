"""Progress reports of long work, and a clock for the stages of a run.

Without a Progress of one's own, a function of edgeq shows a line in a notebook, and elsewhere only
tells the logger `edgeq` (logging.INFO), which is silent unless the application listens.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Protocol

LOGGER = logging.getLogger("edgeq")
#: seconds between two updates of a line in a notebook
SHOWN_EVERY_S = 0.5


class Progress(Protocol):
    """Receives the progress of long work. All calls come from one thread."""

    def start(self, task: str, total: int | None) -> None:
        """A new task begins; it has `total` steps, or None when that is unknown."""

    def advance(self, steps: int = 1) -> None:
        """`steps` of the current task are done."""

    def note(self, text: str) -> None:
        """Show the user one line."""


class Silent:
    """Shows nothing."""

    def start(self, task: str, total: int | None) -> None: ...

    def advance(self, steps: int = 1) -> None: ...

    def note(self, text: str) -> None: ...


class Logged:
    """Tells the logger `edgeq` of each task and note."""

    def start(self, task: str, total: int | None) -> None:
        LOGGER.info("%s", task if total is None else f"{task}: {total}")

    def advance(self, steps: int = 1) -> None: ...

    def note(self, text: str) -> None:
        LOGGER.info("%s", text)


class InNotebook(Logged):
    """Logs, and shows the task and how far it is in one line below a notebook's cell."""

    def __init__(self, show: Callable[[str], None], clock: Callable[[], float] = monotonic) -> None:
        """show: replaces the line. clock: seconds since any fixed time."""
        self._show, self._clock = show, clock
        self._task, self._total, self._done, self._said = "", None, 0, -SHOWN_EVERY_S  # type: str, int | None, int, float

    def start(self, task: str, total: int | None) -> None:
        super().start(task, total)
        self._task, self._total, self._done = task, total, 0
        self._show(task if total is None else f"{task}: 0 of {total}")

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        now = self._clock()
        if self._total is not None and (self._done >= self._total or now - self._said >= SHOWN_EVERY_S):
            self._said = now
            self._show(f"{self._task}: {self._done} of {self._total}")


def default_progress() -> Progress:
    """The Progress of a caller who gives none."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ != "ZMQInteractiveShell":  # a terminal has its own progress, a script none
        return Logged()
    from IPython.display import display

    handle = display({"text/plain": "edgeq ..."}, raw=True, display_id=True)
    return InNotebook(lambda line: handle.update({"text/plain": line}, raw=True))


@dataclass
class Clock:
    """Wall seconds of the stages of a run."""

    #: name of the stage -> seconds
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the body takes to the stage."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start
