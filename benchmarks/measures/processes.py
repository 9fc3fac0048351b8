"""A finished process: its time, its largest memory, what it printed."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One finished process. seconds: wall clock of the whole process; peak_mb: its largest resident
    set.
    """

    seconds: float
    peak_mb: float
    code: int
    output: str


def run_process(command: Sequence[str]) -> Run:
    """Run a command and account for it; its descendants count for the peak where they were waited
    for.
    """
    with tempfile.TemporaryFile() as sink:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)  # already reaped: keep Popen from waiting again
        sink.seek(0)
        output = sink.read().decode(errors="replace")
    return Run(seconds, usage.ru_maxrss / 1024, process.returncode, output)
