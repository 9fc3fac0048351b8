"""Tests of the measures that benchmarks share: what they read, and what they say of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.measures.feeds import feeds
from benchmarks.measures.fidelity import fidelity
from benchmarks.measures.latency import Ratio, paired

NET = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 3] x) => (float[N, 3] y) { y = %s(x) }"""


def net(folder: Path, op: str) -> Path:
    path = folder / f"{op}.onnx"
    onnx.save(onnx.parser.parse_model(NET % op), path)
    return path


def test_rows_come_one_by_one_and_in_order(tmp_path: Path) -> None:
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    np.savez(tmp_path / "d.npz", x=x)
    batches = list(feeds(tmp_path / "d.npz", {"x": 2}, limit=5, batch=2))
    assert [len(b["x"]) for b in batches] == [2, 2, 1]
    assert np.array_equal(np.concatenate([b["x"] for b in batches]), x)


def test_a_row_of_the_inputs_rank_is_a_whole_feed(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", state=np.zeros((4, 2, 1, 8), np.float32), rate=np.full(4, 16000))
    first = next(feeds(tmp_path / "d.npz", {"state": 3, "rate": 0}, batch=9))
    assert (first["state"].shape, first["rate"].shape) == ((2, 1, 8), ())


def test_fidelity_counts_errors_in_decibels(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.array([[1, 2, -2], [2, 1, -2]], np.float32))
    models = {"same": net(tmp_path, "Identity"), "relu": net(tmp_path, "Relu")}
    found = fidelity(models["same"], models, tmp_path / "d.npz", None, 2)
    assert found["same"].sqnr_db > 100
    assert found["relu"].sqnr_db == pytest.approx(10 * np.log10(18 / 8))
    assert found["relu"].agreement == 1.0


def test_paired_ratios_are_formed_inside_a_round() -> None:
    assert paired([2.0, 20.0, 200.0], [1.0, 10.0, 100.0]) == Ratio(2.0, 2.0, 2.0)
