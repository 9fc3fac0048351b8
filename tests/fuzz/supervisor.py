"""Run a function in a fork of this warm process, with limits on time and memory.

A fork costs milliseconds where a new Python with onnxruntime costs seconds. The process forked from
must never have opened a session: threads do not survive a fork.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

#: exit code of a run whose function raised: the campaign's own mistake
BROKEN = 70
_MIB = 1 << 20
#: address space beyond that of this process: a guard for the machine, far above the limit
_SPACE = 12 << 30


@dataclass(frozen=True)
class Limits:
    """What a run may take."""

    #: processor time, also of the processes that it has waited for: load stretches the clock's
    seconds: float = 30.0
    #: wall-clock time: a run that waits takes no processor time
    patience: float = 150.0
    #: largest resident set of the run or of a process that it started, in MiB
    mebibytes: int = 2048


@dataclass(frozen=True)
class End:
    """How a run ended."""

    #: exit code; None: a signal, or it was killed for a limit
    code: int | None
    #: the signal that ended it, which may be the supervisor's own
    signal: int | None
    #: the limit that it broke
    broke: str | None
    #: whether processes that it had started were still there
    left_processes: bool
    #: seconds of processor time
    seconds: float
    #: largest resident set in MiB
    peak: int
    #: what it printed
    stdout: str
    #: likewise
    stderr: str


@dataclass
class Run:
    """A run that has started. It works in `folder`/run, its temporaries go to `folder`/run/tmp."""

    #: what the run printed lies here
    folder: Path
    limits: Limits
    pid: int
    started: float = field(default_factory=time.monotonic)
    _broke: str | None = None

    def poll(self) -> End | None:
        """How it ended; None while it runs. A run that breaks a limit is killed."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            self._watch()
            return None
        left = _end_group(self.pid)
        seconds, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024
        broke = self._broke or (f"more than {self.limits.mebibytes} MiB of memory" if peak > self.limits.mebibytes else None)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        texts = [(self.folder / name).read_text(encoding="utf-8", errors="replace") for name in ("stdout", "stderr")]
        return End(code, number, broke, left and broke is None, seconds, peak, *texts)

    def _watch(self) -> None:
        if _processor_seconds(self.pid) > self.limits.seconds:
            self._broke = f"more than {self.limits.seconds:g} s of processor time"
        elif time.monotonic() - self.started > self.limits.patience:
            self._broke = f"more than {self.limits.patience:g} s"
        elif _resident(self.pid) > self.limits.mebibytes:
            self._broke = f"more than {self.limits.mebibytes} MiB of memory"
        if self._broke:
            _end_group(self.pid)


def start(folder: Path, work: Callable[[], int], limits: Limits) -> Run:
    """Start `work` in a fork, in the folder `folder`/run; its result is the exit code."""
    (folder / "run" / "tmp").mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _child(folder, work)
    return Run(folder, limits, pid)


def run(folder: Path, work: Callable[[], int], limits: Limits) -> End:
    """Start `work` and wait for its end."""
    begun = start(folder, work, limits)
    while (end := begun.poll()) is None:
        time.sleep(0.005)
    return end


def _child(folder: Path, work: Callable[[], int]) -> None:
    code = BROKEN
    try:
        os.setsid()
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # a descriptor, open to the end
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115  # likewise
        space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + _SPACE
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.environ["TMPDIR"] = str(folder / "run" / "tmp")
        tempfile.tempdir = None
        os.chdir(folder / "run")
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = BROKEN
        os._exit(code)


def _end_group(pid: int) -> bool:
    """Kill the run and all that it started; whether anything was there."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _processor_seconds(pid: int) -> float:
    """What a process and its children that ended have used; 0 where it has just ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


def _resident(pid: int) -> int:
    """The resident set of a process in MiB; 0 where it has just ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // _MIB
    except (OSError, IndexError, ValueError):
        return 0
