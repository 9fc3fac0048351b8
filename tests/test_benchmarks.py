"""Tests of the benchmark scripts: what they read, what they measure, and that their help and pages
hold.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.cli.main import main
from tests.small_models import CONV_WEIGHTS, text_model

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
NET = """<ir_version: 8, opset_import: ["": 13]>
net (float[N, 3] x) => (float[N, 3] y) { y = %s(x) }"""


@pytest.fixture(autouse=True)
def beside_the_scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts import one another as they do when run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def net(folder: Path, op: str) -> Path:
    path = folder / f"{op}.onnx"
    onnx.save(onnx.parser.parse_model(NET % op), path)
    return path


def test_rows_come_one_by_one_and_in_order(tmp_path: Path) -> None:
    import feeds

    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    np.savez(tmp_path / "d.npz", x=x)
    batches = list(feeds.feeds(tmp_path / "d.npz", {"x": 2}, limit=5, batch=2))
    assert [len(b["x"]) for b in batches] == [2, 2, 1]
    assert np.array_equal(np.concatenate([b["x"] for b in batches]), x)


def test_a_row_of_the_inputs_rank_is_a_whole_feed(tmp_path: Path) -> None:
    import feeds

    np.savez(tmp_path / "d.npz", state=np.zeros((4, 2, 1, 8), np.float32), rate=np.full(4, 16000))
    first = next(feeds.feeds(tmp_path / "d.npz", {"state": 3, "rate": 0}, batch=9))
    assert (first["state"].shape, first["rate"].shape) == ((2, 1, 8), ())


def test_fidelity_counts_errors_in_decibels(tmp_path: Path) -> None:
    import measure

    np.savez(tmp_path / "d.npz", x=np.array([[1, 2, -2], [2, 1, -2]], np.float32))
    models = {"same": net(tmp_path, "Identity"), "relu": net(tmp_path, "Relu")}
    found = measure.fidelity(models["same"], models, tmp_path / "d.npz", None, 2)
    assert found["same"].sqnr_db > 100
    assert found["relu"].sqnr_db == pytest.approx(10 * np.log10(18 / 8))
    assert found["relu"].agreement == 1.0


def test_paired_ratios_are_formed_inside_a_round() -> None:
    import measure

    assert measure.paired([2.0, 20.0, 200.0], [1.0, 10.0, 100.0]) == measure.Ratio(2.0, 2.0, 2.0)


def test_a_process_that_fails_is_named() -> None:
    import measure
    import peers

    run = measure.run_process([sys.executable, "-c", "raise SystemExit('no such mode')"])
    assert peers.last_line(run) == "exit 1: no such mode"


def test_the_peer_quantizes(tmp_path: Path) -> None:
    """The whole way of a peer: its process, its file, its row of the table."""
    import peers

    model = onnx.parser.parse_model(NET.replace("%s(x)", "MatMul(x, w)"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32), "w"))
    onnx.save(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32))
    entry = peers.produce("ort", "minmax", tmp_path / "m.onnx", tmp_path / "q.onnx", tmp_path / "d.npz", 8)
    assert entry.error == ""
    assert entry.placement is not None
    assert entry.placement.integer == 1


def test_an_operator_is_told_from_its_surroundings() -> None:
    """The layers around it, and the conversions and layout changes at the ends of the graph, are no
    part of it.
    """
    import kernel_chains
    import profile_chain

    chain = kernel_chains.Chain("Cos", "[op] b = Cos(a)")
    found = profile_chain.measure({"float": kernel_chains.network(chain)}, rounds=1)["float"]
    assert found.op > 0
    assert found.layers > 0
    assert found.quantize == found.dequantize == 0
    graph = onnx.parser.parse_graph("""g (float[1, 2] x) => (float[1, 2] y) {
        [in] t = Transpose(x)  [first] a = Relu(t)  [op] b = Transpose(a)  [last] c = Relu(b)  [out] y = Transpose(c) }""")
    assert profile_chain.ends(graph) == {"in", "out"}


def test_the_page_names_what_failed() -> None:
    import markdown_page
    import measure
    import peers

    failed = peers.Entry("ort", "entropy", 1.0, 10.0, error="exit 1: out of memory")
    result = peers.Result("net", 1000, 0.5, measure.Placement(0, 1, 0, "Conv:1"), 1, (failed,), {})
    body = {"machine": {"date": "2026-01-01"}, "results": [asdict(result) | {"metrics": {"float": {"top1": 0.5}}}]}
    page = markdown_page.page(body)
    assert "| ort:entropy | exit 1: out of memory |" in page
    assert "| date | 2026-01-01 |" in page


def test_a_missing_cross_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import cortex_m

    monkeypatch.setenv("PATH", "")
    assert [line.split()[0] for line in cortex_m.missing_tools()] == list(cortex_m.TOOLS)
    assert all("install" in line for line in cortex_m.missing_tools())


def test_a_cortex_m_gives_the_codes_of_onnxruntime(tmp_path: Path) -> None:
    import cortex_m

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


@pytest.mark.parametrize("script", ["peers.py", "memory.py", "zoo.py", "ort_peer.py", "kernels.py", "cortex_m.py"])
def test_help_has_an_example(script: str) -> None:
    done = subprocess.run([sys.executable, str(BENCHMARKS / script), "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert f"python benchmarks/{script}" in done.stdout
