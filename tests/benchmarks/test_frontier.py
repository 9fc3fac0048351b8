"""Tests of the comparison with rivals: limits of time, failures by name, and rows."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.frontier import run
from benchmarks.frontier.rivals import Rival, python_of
from benchmarks.peers.folder import Found

NET = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 3] x) => (float[N, 3] y) { y = MatMul(x, w) }"""


@pytest.fixture
def found(tmp_path: Path) -> Found:
    model = onnx.parser.parse_model(NET)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32), "w"))
    onnx.save(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32))
    return Found("m", tmp_path / "m.onnx", tmp_path / "d.npz", tmp_path / "d.npz")


def asked(tmp_path: Path, *rivals: str) -> argparse.Namespace:
    return argparse.Namespace(
        rivals=rivals, environments=tmp_path, samples=8, limit_s=1, group="zoo", limit=None, batch=8, rounds=3, threads=1
    )


def copies(_: str, files: Sequence[Path], __: int) -> list[str]:
    return ["cp", str(files[0]), str(files[1])]


def test_who_takes_too_long_is_not_finished_and_who_cannot_be_had_is_named(
    tmp_path: Path, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    def python(rival: Rival, _: Path) -> Path:
        if rival.packages:
            raise subprocess.CalledProcessError(1, "pip")
        return Path("python")

    monkeypatch.setattr(run, "RIVALS", (Rival("slow", (), "m", {"w8a8": ("a",)}), Rival("gone", ("nothing",), "m", {"w8a8": ("b",)})))
    monkeypatch.setattr(run, "python_of", python)
    monkeypatch.setattr(run, "own_command", copies)
    monkeypatch.setattr(run, "command_of", lambda *_: ["sleep", "30"])
    rows = {row.tool: row for row in run.rows_of(found, "w8a8", asked(tmp_path, "slow", "gone"))}
    assert rows["edgeq"].error == ""
    assert (rows["edgeq"].sqnr_db or 0) > 100  # the same model
    assert rows["slow:a"].error == "not finished"
    assert rows["gone:b"].error.startswith("does not install")


def test_a_rival_is_asked_for_the_widths_alone_that_it_offers(tmp_path: Path, found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "RIVALS", (Rival("eight", (), "m", {"w8a8": ("a",)}),))
    monkeypatch.setattr(run, "own_command", copies)
    rows = run.rows_of(found, "w4a8", asked(tmp_path, "eight"))
    assert [(row.group, row.tool) for row in rows] == [("zoo-w4a8", "edgeq")]


def test_an_environment_that_is_there_is_used(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "installed").write_text("", encoding="utf-8")
    assert python_of(Rival("one", ("nothing-of-that-name",), "m", {}), tmp_path) == tmp_path / "one" / "bin" / "python"
