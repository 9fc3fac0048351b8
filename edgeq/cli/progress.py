"""Progress of long work on stderr: bars with rate and time left, or plain lines in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from edgeq.io.visible import visible
from edgeq.progress import Progress

#: seconds between two plain lines of one task: often enough to follow a log without filling it
LINE_EVERY_S = 5.0
#: seconds of a task below which no line tells of it
SHORT_S = 1.0


@contextmanager
def watch(console: Console) -> Iterator[Progress]:
    """Progress as bars when the console is a terminal, as plain lines elsewhere.

    The terminal is restored at the end, also after an exception.
    """
    if not console.is_terminal:
        lines = Lines(lambda text: console.print(Text(visible(text)), soft_wrap=True), monotonic)
        yield lines
        lines.close()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console, transient=True) as bars:
        yield Bars(bars)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{rate(speed)}", style="progress.data.speed")


class Bars:
    """Progress as bars, one per task. The bar of a task without a total pulses."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def start(self, task: str, total: int | None) -> None:
        self._finish()
        self._task = self._bars.add_task(task, total=total)

    def advance(self, steps: int = 1) -> None:
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def note(self, text: str) -> None:
        self._bars.console.print(Text(f"note: {visible(text)}", style="dim"))

    def _finish(self) -> None:
        """Fill the bar of the finished task; without this, a pulsing bar would never stop."""
        if self._task is not None:
            done = self._bars.tasks[-1].completed
            self._bars.update(self._task, total=done or 1, completed=done or 1)


class Lines:
    """Progress as plain lines.

    A task of SHORT_S or more gets one line when it ends, and at most one every LINE_EVERY_S seconds
    before; one whose length nobody knows also one when it begins. write: prints a line. clock:
    seconds since any fixed time.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._write, self._clock = write, clock
        self._name: str | None = None
        self._total: int | None = None
        self._done = 0
        self._began = self._said = 0.0

    def start(self, task: str, total: int | None) -> None:
        self.close()
        self._name, self._total, self._done = task, total, 0
        self._began = self._said = self._clock()
        if total is None:
            self._write(f"{task} ...")

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        now = self._clock()
        if self._name is None or now - self._said < LINE_EVERY_S:
            return
        self._said = now
        speed = self._done / (now - self._began)
        if self._total is None:
            self._write(f"{self._name}: {self._done}, {rate(speed)}")
        elif self._done < self._total:
            left = (self._total - self._done) / speed if speed else 0.0
            self._write(f"{self._name}: {self._done}/{self._total}, {rate(speed)}, {left:.0f} s left")

    def note(self, text: str) -> None:
        self._write(f"note: {text}")

    def close(self) -> None:
        """End the current task."""
        if self._name is not None and self._clock() - self._began >= (SHORT_S if self._total is not None else LINE_EVERY_S):
            count = f"{self._done} " if self._done else ""
            self._write(f"{self._name}: {count}done in {self._clock() - self._began:.1f} s")
        self._name = None


def rate(per_second: float) -> str:
    """Steps per second as text, such as 0.4/s, 12/s or 3.1k/s."""
    if per_second >= 1000:
        return f"{per_second / 1000:.1f}k/s"
    return f"{per_second:.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"
