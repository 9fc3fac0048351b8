"""The examples run from end to end, in a short form."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
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


def test_the_metric_of_a_detector_drives_its_floor_and_its_search(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "examples" / "detector_metric.py"), "--out", str(tmp_path), "--minutes", "0.3"]
    ran = subprocess.run(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    plain, searched, chosen = ran.stdout.splitlines()
    assert (plain.split()[-1], searched.split()[-1]) == ("failed", "passed")  # by the same metric and limit
    assert chosen.startswith("the search chose ")
    assert 0 < float(chosen.split(":")[1].split()[0]) < 100  # of the work in integers: some layers are worth it, some are not
    metric = f"{ROOT / 'examples' / 'detector_metric.py'}:mean_iou"
    words = ["compare", "boxes.onnx", "boxes.int8.onnx", "-d", "boxes.npz", "--metric", metric, "--max-drop"]
    code = "import sys; from edgeq.cli.main import main; sys.exit(main(sys.argv[1:]))"
    for most, expected in (("50", 0), ("0", 3)):
        command = [sys.executable, "-c", code, *words, most, "--json"]
        told = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        assert told.returncode == expected, told.stderr
        assert '"metric": "mean_iou"' in told.stdout


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_what_an_example_takes_from_edgeq_is_there(example: Path) -> None:
    """Modules, names in them and keywords of calls, read from its text: running it takes long."""
    tree = ast.parse(example.read_text(encoding="utf-8"))
    taken: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "edgeq":
            if (node.module or "").startswith("edgeq.learn"):
                pytest.importorskip("torch", reason="torch is not installed")
            module = importlib.import_module(node.module or "")
            taken |= {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and callable(taken.get(node.func.id)):
            known = inspect.signature(taken[node.func.id]).parameters  # type: ignore[arg-type]  # it is callable
            assert {keyword.arg for keyword in node.keywords} - {None} <= set(known), ast.unparse(node)


@pytest.mark.slow
def test_the_examples_are_typed(tmp_path: Path) -> None:
    """What users copy passes mypy in its strict form, against edgeq's own types."""
    for package in ("mypy", "torch", "sklearn"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    words = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "examples"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
