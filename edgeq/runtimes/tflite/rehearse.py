"""Open a .tflite model in a process of its own first, since native runtimes may die of one."""

from __future__ import annotations

import subprocess
import sys

from edgeq.errors import RuntimeRefused
from edgeq.io.temporaries import ScratchFolder

#: time limit of the rehearsal: it opens the model and runs it once
SECONDS = 600
#: exit code of the child for a model that opens and does not run, which it explains on stdout
FAILED = 4
_FIX = "Write or download the .tflite file again."


def rehearse(name: str, model: bytes, inputs: int, outputs: int) -> None:
    """Open the model as the runtime would and run it once on zeros, in a child process.

    name: "litert" or "tflm". inputs, outputs: how many will be fed and read. Raises RuntimeRefused
    if the process dies, does not end, or opens the model and cannot run it; what a runtime says
    when it opens the model, it says again here.
    """
    with ScratchFolder() as folder:
        path = folder / "model.tflite"
        path.write_bytes(model)
        command = [sys.executable, "-P", "-m", "edgeq.runtimes.tflite.rehearsal", name, str(path), str(inputs), str(outputs)]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            what = f"{name} opens and runs the model for more than {SECONDS} s"
            raise RuntimeRefused(what, name, "Give a smaller model, or one that is not damaged.") from None
    if done.returncode == FAILED:
        raise RuntimeRefused(done.stdout.decode(errors="replace"), name, _FIX)
    if done.returncode < 0:
        what = f"{name} ends with signal {-done.returncode} when it opens or runs the model: the file is damaged"
        raise RuntimeRefused(what, name, _FIX)
