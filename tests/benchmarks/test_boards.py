"""Tests of the emulated Cortex-M: its tools, and its codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.boards import cortex_m
from edgeq.cli.main import main
from tests.small_models import CONV_WEIGHTS, text_model


def test_a_missing_cross_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert [line.split()[0] for line in cortex_m.missing_tools()] == list(cortex_m.TOOLS)
    assert all("install" in line for line in cortex_m.missing_tools())


def test_a_cortex_m_gives_the_codes_of_onnxruntime(tmp_path: Path) -> None:
    missing = cortex_m.missing_tools()
    if missing:
        pytest.skip("; ".join(missing))
    text = """<ir_version: 8, opset_import: ["": 13]> net (float[N, 3, 8, 8] x) => (float[N, 4, 8, 8] y) {
      c = Conv<pads = [1, 1, 1, 1]>(x, w, b)  y = Relu(c) }"""
    onnx.save(text_model(text, {name: CONV_WEIGHTS[name] for name in ("w", "b")}), tmp_path / "net.onnx")
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(1).normal(size=(8, 3, 8, 8)).astype(np.float32))
    words = ["quantize", tmp_path / "net.onnx", "-d", tmp_path / "x.npz", "-o", tmp_path / "net.int8.onnx", "-t", "npu_int8"]
    assert main([*map(str, words), "--golden", "2", "--no-prove", "-q"]) == 0
    (ran,) = cortex_m.run(tmp_path / "net.int8.onnx", dict(np.load(tmp_path / "net.int8.golden.npz")), ["cortex-m4"], None)
    assert (ran.samples, ran.lsb_onnxruntime) == (2, 0)
    assert ran.lsb_golden <= 1
    assert ran.instructions > 0
