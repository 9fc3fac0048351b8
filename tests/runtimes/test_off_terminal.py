"""What native code prints stays off the terminal, and Python's own words do not."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from edgeq.runtimes.table import RuntimeName, look_up
from edgeq.runtimes.tflite.off_terminal import off_terminal
from tests.runtimes.test_rehearse import whole


def test_native_words_are_dropped_and_later_ones_shown(capfd: pytest.CaptureFixture[str]) -> None:
    sys.stderr.write("before\n")
    with off_terminal():
        os.write(2, b"native\n")
    sys.stderr.write("behind\n")
    sys.stderr.flush()
    assert capfd.readouterr().err == "before\nbehind\n"


def test_stderr_comes_back_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="mine"), off_terminal():
        raise ValueError("mine")
    os.write(2, b"behind\n")
    assert capfd.readouterr().err == "behind\n"


def test_a_closed_stderr_is_no_failure() -> None:
    script = "import os; os.close(2)\nfrom edgeq.runtimes.tflite.off_terminal import off_terminal\nwith off_terminal(): print('ran')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.stdout == b"ran\n"


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
def test_a_runtime_that_opens_and_runs_a_model_says_nothing(runtime: RuntimeName) -> None:
    if not look_up(runtime).installed:
        pytest.skip(f"{runtime} is not installed")
    script = f"""
import sys
from pathlib import Path
import numpy as np
from edgeq.runtimes.runtime import Request
from edgeq.runtimes.table import look_up
for opened in look_up("{runtime}").open(Request(sys.stdin.buffer.read(), 1, 1, "")):
    opened.model.run([np.zeros(port.shape, port.dtype) for port in opened.model.inputs])
"""
    done = subprocess.run([sys.executable, "-c", script], input=whole(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
def test_arrays_that_do_not_fit_are_refused_in_words(runtime: RuntimeName) -> None:
    from edgeq.errors import RuntimeRefused
    from edgeq.runtimes.runtime import Request

    if not look_up(runtime).installed:
        pytest.skip(f"{runtime} is not installed")
    (opened, *_) = look_up(runtime).open(Request(whole(), 1, 1, ""))
    assert opened.model is not None
    with pytest.raises(RuntimeRefused, match="does not run the model"):
        opened.model.run([np.zeros((1, 2, 3), np.int8)])
