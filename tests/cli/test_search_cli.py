"""The options of the search on the command line: what they want, what excludes what, and floors
without a search.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.data.shipped import shipped_model
from tests.cli_room import run
from tests.small_models import conv_net

DIGITS = shipped_model("digits")


@pytest.mark.parametrize("option", [("--objective", "latency"), ("--minutes", "2"), ("--work", "somewhere")])
def test_options_of_the_search_want_a_search(option: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "quantize", DIGITS, "-d", "digits", "-o", tmp_path / "a.onnx", *option)
    assert (ran.code, ran.out) == (2, "")
    assert "there is no search" in ran.err
    assert "Add --effort best" in ran.err


def test_a_plan_and_a_search_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "quantize", DIGITS, "--plan", "p.json", "-o", tmp_path / "a.onnx", "--effort", "best", "--work", tmp_path / "w")
    assert ran.code == 2
    assert "a plan is repeated" in ran.err


def test_a_work_path_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(conv_net(), tmp_path / "m.onnx")
    words = ("quantize", DIGITS, "-d", "digits", "--samples", "8", "-o", tmp_path / "a.onnx", "--effort", "best")
    ran = run(capsys, *words, "--work", tmp_path / "m.onnx")
    assert ran.code == 2
    assert "cannot be used" in ran.err


def test_a_drop_is_a_floor_without_a_search_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = {"image": np.zeros((8, 1, 16, 16), np.float32), "labels": np.arange(8)}
    np.savez(tmp_path / "d.npz", **data)
    words = ("quantize", DIGITS, "-d", tmp_path / "d.npz", "-o", tmp_path / "a.onnx", "-q", "--accept-data")
    assert run(capsys, *words, "--max-drop", "0").code == 0
    np.savez(tmp_path / "d.npz", image=data["image"])
    ran = run(capsys, *words, "--max-drop", "0", "--force")
    assert ran.code == 2  # before the work: nothing would measure it
    assert "has no labels" in ran.err
