"""Models that grow: they are valid, of the size that was asked for, and settle."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from benchmarks.measures.processes import run_process
from benchmarks.scale import models
from benchmarks.scale.growth import KINDS, Point, exponent


@pytest.mark.parametrize(("what", "size"), [("nodes", 30), ("parameters", 2), ("samples", 8), ("pixels", 64)])
def test_every_kind_of_model_runs_on_its_data(what: str, size: int, tmp_path: Path) -> None:
    model, data = KINDS[what][0](size, tmp_path)
    onnx.checker.check_model(str(model), full_check=True)
    with np.load(data) as samples:
        y = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"]).run(None, {"x": samples["x"][:1]})[0]
    assert 1e-3 < float(np.abs(y).mean()) < 1e3


@pytest.mark.parametrize("count", [30, 300])
def test_a_chain_has_about_as_many_nodes(count: int, tmp_path: Path) -> None:
    found = len(onnx.load(models.chain(count, tmp_path / "m.onnx")).graph.node)
    assert count <= found <= 1.1 * count + 2


def test_weights_may_lie_in_a_data_file(tmp_path: Path) -> None:
    model = models.gemms(2, 64, tmp_path / "m.onnx", external=True)
    assert (tmp_path / "m.onnx.data").stat().st_size == 2 * 64 * 64 * 4
    assert model.stat().st_size < 2000


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_exponent_is_that_of_the_times(power: float) -> None:
    points = [Point("nodes", size, 2 + 1e-3 * size**power, 0, 0) for size in (100, 300, 1000)]
    assert exponent([*points, Point("nodes", 3000, 1.0, 0, 0, "exit 1")], 2) == pytest.approx(power)
    assert exponent(points[:1], 2) is None


def test_the_peak_of_a_process_is_its_own() -> None:
    ballast = np.ones(60 << 20, np.uint8)  # a small process that a large one starts would begin with its peak
    small = run_process([sys.executable, "-I", "-S", "-c", "print(6 * 7)"])
    large = run_process([sys.executable, "-I", "-S", "-c", "x = b'1' * (80 << 20)"])
    assert (small.code, small.output) == (0, "42\n")
    assert small.peak_mb < 60 < 80 < large.peak_mb < 140
    assert ballast.all()


def test_cpu_seconds_are_counted_and_exit_codes_handed_on() -> None:
    run = run_process([sys.executable, "-I", "-S", "-c", "import sys; sum(range(3_000_000)); sys.exit(3)"])
    assert run.code == 3
    assert run.cpu_s > 0.01
    assert run_process(["/there/is/no/such/program"]).code == 127
