"""A finished process: its time, its largest memory, what it printed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Linux hands the peak of a process on to what it starts: a child of a large one begins with that
#: peak. So a shell, which is such a child, starts a small process, and that one the command
SMALL = ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
#: runs the command in argv[2:] and writes what it took to the file argv[1]
ACCOUNT = """
import json, os, sys
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss], file)
"""


@dataclass(frozen=True)
class Run:
    """One finished process. seconds: wall clock of the whole process; peak_mb: its largest resident
    set; code: 127 if it could not be started; cpu_s: CPU seconds of all its threads.
    """

    seconds: float
    peak_mb: float
    code: int
    output: str
    cpu_s: float = 0.0


def run_process(command: Sequence[str]) -> Run:
    """Run a command and account for it, whatever the size of this process.

    Its descendants count where they were waited for.
    """
    with tempfile.TemporaryDirectory() as folder:
        used, printed = Path(folder) / "used", Path(folder) / "printed"
        begin = time.perf_counter()
        with printed.open("wb") as sink:
            whole = [*SMALL, sys.executable, "-I", "-S", "-c", ACCOUNT, str(used), *command]
            subprocess.run(whole, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, check=False)
        seconds = time.perf_counter() - begin
        code, cpu_s, peak = json.loads(used.read_text(encoding="ascii")) if used.is_file() else (127, 0.0, 0)
        return Run(seconds, peak / 1024, code, printed.read_bytes().decode(errors="replace"), cpu_s)
