"""A search that is killed or interrupted in the middle, as a process: what was measured stays, and
the same command ends it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.api import quantize
from edgeq.data.shipped import shipped_model
from edgeq.schema.recipe import Recipe

EDGEQ = [sys.executable, "-c", "import sys; from edgeq.cli.main import main; sys.exit(main())"]


def _hear_ctrl_c() -> None:
    """A background job of a shell (a CI run) starts with Ctrl-C ignored, and hands that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_stopped_search_goes_on(sent: signal.Signals, code: int, tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "a.onnx"
    found = quantize(shipped_model("digits"), "digits", recipe=Recipe(samples=64)).report.fidelity
    assert found is not None
    out_of_reach = found.sqnr_db + 1.5  # of the default: layers must go float
    floors = ["--samples", "64", "--min-sqnr", f"{out_of_reach:.1f}"]
    command = [*EDGEQ, "quantize", str(shipped_model("digits")), "-d", "digits", *floors, "--effort", "best", "--work", str(work)]
    process = subprocess.Popen([*command, "-o", str(out)], stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c)
    assert process.stderr is not None
    while not process.stderr.readline().startswith("note: best so far"):
        assert process.poll() is None
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert not out.exists()
    assert "Traceback" not in err
    assert ("best.plan.json; the same command continues" in err) == (sent == signal.SIGINT)
    kept = (work / "search.jsonl").read_bytes()
    whole = kept[: kept.rindex(b"\n") + 1]
    lines = whole.splitlines()[1:]  # the first line is the heading
    measured = sum(b'"wrote"' not in line for line in lines)
    assert measured >= 1  # what the note told of
    done = subprocess.run([*command, "-o", str(out)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"continuing the search in {work}: {measured} measurements" in done.stderr
    assert (work / "search.jsonl").read_bytes().startswith(whole)
    assert "second moments" not in done.stderr  # the plan that it began with was there too
