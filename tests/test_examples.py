"""The examples run from end to end, in a short form."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_finetune_digits_trains_palettizes_fine_tunes_exports_and_plots(tmp_path: Path) -> None:
    for package in ("torch", "sklearn", "matplotlib"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    short = ("--epochs", "1", "--tuning-epochs", "1", "--images", "60", "--bits", "8", "1", "--max-drop", "0", "--centroids", "refit")
    words = [sys.executable, str(ROOT / "examples" / "finetune_digits.py"), "--out", str(tmp_path / "out"), *short]
    ran = subprocess.run(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {"digits.onnx", "digits.w8.onnx", "digits.w8.plan.json", "digits.w1.onnx", "digits.w1.plan.json", "widths.png"}
    assert (tmp_path / "out" / "digits.w1.onnx").stat().st_size < (tmp_path / "out" / "digits.w8.onnx").stat().st_size
    onnx.checker.check_model(onnx.load(tmp_path / "out" / "digits.w1.onnx"), full_check=True)
    assert [line.split(":")[0] for line in ran.stdout.splitlines()[:2]] == ["8 bits", "1 bits"]
