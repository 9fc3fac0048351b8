"""Tests of the comparison with a peer: its process, its row, its page."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx

from benchmarks.measures.placement import Placement
from benchmarks.measures.processes import run_process
from benchmarks.peers import markdown_page
from benchmarks.peers.comparison import Entry, Result, produce
from benchmarks.peers.tools import last_line

NET = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 3] x) => (float[N, 3] y) { y = MatMul(x, w) }"""


def test_a_process_that_fails_is_named() -> None:
    run = run_process([sys.executable, "-c", "raise SystemExit('no such mode')"])
    assert last_line(run) == "exit 1: no such mode"


def test_the_peer_quantizes(tmp_path: Path) -> None:
    """The whole way of a peer: its process, its file, its row of the table."""
    model = onnx.parser.parse_model(NET)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32), "w"))
    onnx.save(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32))
    entry = produce("ort", "minmax", tmp_path / "m.onnx", tmp_path / "q.onnx", tmp_path / "d.npz", 8)
    assert entry.error == ""
    assert entry.placement is not None
    assert entry.placement.integer == 1


def test_the_page_names_what_failed() -> None:
    failed = Entry("ort", "entropy", 1.0, 10.0, error="exit 1: out of memory")
    result = Result("net", 1000, 0.5, Placement(0, 1, 0, "Conv:1"), 1, (failed,), {})
    body = {"machine": {"date": "2026-01-01"}, "results": [asdict(result) | {"metrics": {"float": {"top1": 0.5}}}]}
    page = markdown_page.page(body, [])
    assert "| ort:entropy | exit 1: out of memory |" in page
    assert "| date | 2026-01-01 |" in page
