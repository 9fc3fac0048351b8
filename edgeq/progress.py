"""How long work tells its watcher where it is. The CLI draws it; the default is silent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol


class Progress(Protocol):
    """A watcher of long work. Calls come from one thread."""

    def start(self, task: str, total: int | None) -> None:
        """A new task begins; `total` steps, or None when unknown."""

    def advance(self, steps: int = 1) -> None:
        """`steps` of the current task are done."""

    def note(self, text: str) -> None:
        """One line that the user should see."""


class Silent:
    """The default watcher: says nothing."""

    def start(self, task: str, total: int | None) -> None: ...

    def advance(self, steps: int = 1) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass
class Clock:
    """Wall seconds of the stages of a run."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the body to the stage."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start
