"""Vela, the compiler for Arm's Ethos-U: which operators it places on the NPU.

It runs in a process of its own and executes nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Generator

from edgeq.errors import RuntimeRefused
from edgeq.io.temporaries import ScratchFolder
from edgeq.runtimes.ran_operator import RanOperator
from edgeq.runtimes.runtime import Opened, Request, Runtime

#: as Vela names them, the default first
ACCELERATORS = (
    *(f"ethos-u55-{macs}" for macs in (128, 32, 64, 256)),
    *(f"ethos-u65-{macs}" for macs in (256, 512)),
    *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
)
_ROW = re.compile(r"^\s*(CPU|NPU): (\S+) = (.*)$", re.MULTILINE)
_COUNT = re.compile(r"(CPU|NPU) operators = (\d+) ")
#: time limit for one model
SECONDS = 600
_MAIN = "import sys; from ethosu.vela.vela import main; sys.exit(main(sys.argv[1:]))"


def place_on_npu(model: bytes, accelerator: str) -> tuple[RanOperator, ...]:
    """One row per operator of Vela's own graph, in which some operators are split.

    integer: the operator is placed on the NPU, whose kernels compute in integers throughout.
    accelerator: one of ACCELERATORS. Raises MissingExtra, and RuntimeRefused when Vela fails.
    """
    if not RUNTIME.installed:
        raise RUNTIME.missing()
    with ScratchFolder() as folder:
        path = folder / "model.tflite"
        path.write_bytes(model)
        # -P and the folder: what lies in the user's folder (a numpy.py) must not be imported
        command = [sys.executable, "-P", "-c", _MAIN, "--accelerator-config", accelerator, "--show-cpu-operations"]
        command += ["--output-dir", str(folder), str(path)]
        try:
            done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise RuntimeRefused(f"Vela works for more than {SECONDS} s", f"vela {accelerator}", "Give a smaller model.") from None
    told = done.stdout.decode(errors="replace")
    rows = tuple(RanOperator(kind, where == "NPU", f"{where}: {name}") for where, kind, name in _ROW.findall(told))
    counts = {where: int(number) for where, number in _COUNT.findall(told)}
    if done.returncode or sum(counts.values()) != len(rows) or not rows:
        lines = (done.stderr.decode(errors="replace") or told).strip().splitlines()
        raise RuntimeRefused(f"Vela fails: {lines[-1] if lines else 'no output'}", f"vela {accelerator}", "Look at the model in Netron.")
    return rows


def _open(request: Request) -> Generator[Opened, None, None]:
    yield Opened(request.accelerator, place_on_npu(request.model, request.accelerator))


RUNTIME = Runtime(
    name="vela",
    package="ethos-u-vela",
    module="ethosu",
    takes="tflite",
    told="read from Vela: which of its operators the NPU takes; it executes nothing",
    open=_open,
    accelerators=ACCELERATORS,
    takes_int4=False,  # Vela 5.2 ends by signal 8
)
