"""Ctrl-C with real processes and real signals: while importing, in a kernel, while writing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.small_models import conv_net, text_model

#: sends the process SIGINT when it looks for this module
WHILE_IMPORTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from edgeq.cli.main import main
sys.exit(main(sys.argv[2:]))
"""
#: sends the process SIGINT as soon as its main thread computes: it does nothing else for this long
IN_A_KERNEL = """
import os, signal, sys, threading, time
from pathlib import Path
from edgeq.cli.main import main
from edgeq.runtimes import running
main_clock = time.pthread_getcpuclockid(threading.main_thread().ident)
def interrupt():
    while not running._RUNNING:
        time.sleep(0)
    started = time.clock_gettime(main_clock)
    while running._RUNNING and time.clock_gettime(main_clock) < started + 0.3:
        time.sleep(0)
    print("in a kernel" if running._RUNNING else "not in a kernel", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main(sys.argv[1:]))
"""
#: a model that runs for hours
ENDLESS = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 8] x) => (float[N, 8] y) {
  y = Loop(trips, , x) <body = step (int64 i, bool more, float[N, 8] before) => (bool on, float[N, 8] after) {
    on = Identity(more)
    after = MatMul(before, w)
  }>
}"""


def hear_ctrl_c() -> None:
    """A background job of a shell (a CI run) starts with Ctrl-C ignored, and hands that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(script: str, *words: str, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, preexec_fn=hear_ctrl_c, check=False)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A quantize of a small model into a folder of its own."""
    onnx.save(conv_net(), tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 3, 8, 8), np.float32))
    (tmp_path / "out").mkdir()
    return ["quantize", str(tmp_path / "m.onnx"), "-d", str(tmp_path / "d.npz"), "-o", str(tmp_path / "out" / "o.onnx")]


@pytest.mark.parametrize("module", ["edgeq.cli.app.interrupts", "typer", "edgeq.cli.quantize", "numpy", "onnxruntime"])
def test_while_importing(module: str, words: list[str], tmp_path: Path) -> None:
    done = ended(WHILE_IMPORTING, module, *words)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "interrupted; no file is half-written"
    assert list((tmp_path / "out").iterdir()) == []


def test_in_a_kernel(words: list[str], tmp_path: Path) -> None:
    """The signal comes when nothing but onnxruntime runs; it would go on for hours."""
    net = text_model(ENDLESS.replace("trips", "t"), {"t": np.array(10**9, np.int64), "w": np.eye(8, dtype=np.float32)})
    onnx.save(net, tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", x=np.arange(32, dtype=np.float32).reshape(4, 8))
    done = ended(IN_A_KERNEL, *words)
    assert done.returncode == 130, done.stderr
    assert done.stdout == "in a kernel\n"
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    script = "import signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + WHILE_IMPORTING
    done = ended(script, "numpy", "targets", "show", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
