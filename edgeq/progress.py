"""Progress reports of long work, silent by default, and a clock for the stages of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol


class Progress(Protocol):
    """Receives the progress of long work. All calls come from one thread."""

    def start(self, task: str, total: int | None) -> None:
        """A new task begins; it has `total` steps, or None when that is unknown."""

    def advance(self, steps: int = 1) -> None:
        """`steps` of the current task are done."""

    def note(self, text: str) -> None:
        """Show the user one line."""


class Silent:
    """The default Progress: it shows nothing."""

    def start(self, task: str, total: int | None) -> None: ...

    def advance(self, steps: int = 1) -> None: ...

    def note(self, text: str) -> None: ...


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
