"""Tests of edgeq as a process: Ctrl-C, kill -9, a reader that goes away, and what a terminal
sees.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from rich.console import Console

from edgeq.cli.progress import LINE_EVERY_S, SHORT_S, Bars, Lines, rate, watch
from tests.small_models import conv_net

EDGEQ = [sys.executable, "-m", "edgeq"]
#: enough samples that a run is still calibrating when the signal arrives
SAMPLES = 60_000


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words of a quantize that takes a while, without the output."""
    folder = tmp_path_factory.mktemp("long")
    onnx.save(conv_net(), folder / "model.onnx")
    np.savez(folder / "calib.npz", x=np.random.default_rng(0).normal(size=(SAMPLES, 3, 8, 8)).astype(np.float32))
    return [*EDGEQ, "quantize", str(folder / "model.onnx"), "-d", str(folder / "calib.npz"), "-o"]


def _hear_ctrl_c() -> None:
    """A background job of a shell (a CI run) starts with Ctrl-C ignored, and hands that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_stopped_run_leaves_nothing(sent: signal.Signals, code: int, long_run: list[str], tmp_path: Path) -> None:
    command = [*long_run, str(tmp_path / "a.onnx")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c)
    assert process.stderr is not None
    while not process.stderr.readline().startswith("calibrate"):
        assert process.poll() is None
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert out == ""
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_the_package_runs_as_the_command() -> None:
    asked = subprocess.run([sys.executable, "-m", "edgeq", "-V"], capture_output=True, text=True, timeout=60, check=True)
    assert asked.stdout == subprocess.run([*EDGEQ, "-V"], capture_output=True, text=True, timeout=60, check=True).stdout
    refused = subprocess.run([sys.executable, "-m", "edgeq", "quantise"], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen([*EDGEQ, "targets", "show", "cpu", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=60)


def test_errors_leave_stdout_alone_and_use_no_escape_codes() -> None:
    done = subprocess.run([*EDGEQ, "inspect", "none.onnx"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 3
    assert "\x1b" not in done.stderr


def test_an_error_is_the_document_where_json_is_asked_for() -> None:
    done = subprocess.run([*EDGEQ, "inspect", "none.onnx", "--json"], capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]["where"]) == (2, "none.onnx")
    assert len(done.stderr.splitlines()) == 3


# ------------------------------------------------------------------ progress


def terminal() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, width=100, color_system="standard"), file


def test_a_terminal_gets_bars_and_is_left_clean() -> None:
    console, file = terminal()
    with watch(console) as progress:
        assert isinstance(progress, Bars)
        progress.start("calibrate", 4)
        progress.advance(3)
        progress.note("a [bold]note[/bold]")
        progress.start("prove", None)
    text = file.getvalue()
    assert "calibrate" in text
    assert "a [bold]note[/bold]" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor comes back


def test_a_terminal_is_left_clean_after_an_exception() -> None:
    console, file = terminal()
    with pytest.raises(KeyboardInterrupt), watch(console) as progress:
        progress.start("calibrate", 4)
        raise KeyboardInterrupt
    assert file.getvalue().rstrip().count("\x1b[?25h") == 1


def test_a_file_gets_one_plain_line_for_each_task_that_takes_long() -> None:
    said: list[str] = []
    now = [0.0]
    lines = Lines(said.append, lambda: now[0])
    for task, seconds in (("short", SHORT_S / 2), ("calibrate", 2 * SHORT_S)):
        lines.start(task, 2)
        lines.advance()
        now[0] += seconds
        lines.advance()
    lines.start("prove", None)
    now[0] += LINE_EVERY_S
    lines.close()
    assert said == ["calibrate: 2 done in 2.0 s", "prove ...", "prove: done in 5.0 s"]


def test_notes_are_lines_of_their_own() -> None:
    file = io.StringIO()
    with watch(Console(file=file)) as progress:
        progress.start("calibrate", 2)
        progress.note("a [bold]note[/bold]")
    assert file.getvalue().splitlines() == ["note: a [bold]note[/bold]"]


def test_lines_come_at_most_every_few_seconds_with_rate_and_time_left() -> None:
    said: list[str] = []
    now = [0.0]
    lines = Lines(said.append, lambda: now[0])
    lines.start("calibrate", 100)
    for _ in range(20):
        now[0] += LINE_EVERY_S / 10
        lines.advance()
    assert said == ["calibrate: 10/100, 2.0/s, 45 s left", "calibrate: 20/100, 2.0/s, 40 s left"]


@pytest.mark.parametrize(("speed", "text"), [(0.44, "0.4/s"), (12.4, "12/s"), (3140.0, "3.1k/s")])
def test_rate(speed: float, text: str) -> None:
    assert rate(speed) == text
