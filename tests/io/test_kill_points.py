"""kill -9 before each change that a writing command makes to the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.kill_points import CASES

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

ROOT = Path(__file__).resolve().parents[2]
NAMES = [case.name for case in CASES]
#: needs no runtime, and so takes seconds; the others take a minute each
QUICK = ("init",)
NEEDS = {"finetune": "torch", "tflite": "tflite_micro", "convert": "tflite_micro"}


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES])
def test_a_command_that_is_killed_leaves_whole_sets_or_names_what_is_stale(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed")
    done = subprocess.run([sys.executable, "-m", "tests.fuzz.kill_points", name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    points = int(done.stdout.partition("killed at ")[2].split()[0])
    assert points >= 3, done.stdout  # a temporary, a rename and the end, at the least


def test_a_writer_that_replaces_files_one_by_one_is_found_out(tmp_path: Path) -> None:
    """The check can fail: side files without marks, and a file that is written in its place."""
    script = f"""
import sys
from pathlib import Path
from tests.fuzz import kill_points
from edgeq.io import file_set, marks

def careless(self, path, content):
    path.write_bytes(content[: len(content) // 2])
    path.write_bytes(content)
file_set.FileSet.add = careless
(case,) = [case for case in kill_points.CASES if case.name == "init"]
room = Path({str(tmp_path)!r}) / "room"
(room / "tmp").mkdir(parents=True)
kill_points.make_inputs(room)
kill_points.import_for(case)
print(*kill_points.tried(case, room)[1], sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "is neither the old file nor the new one" in done.stdout, done.stdout + done.stderr
