"""`edgeq convert` on the command line: files, reports, floors, and what is said of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.cli_room import run
from tests.graph_text import net
from tests.small_models import conv_net

Capsys = pytest.CaptureFixture[str]
CONSTANTS = {
    "s": np.float32(0.05), "z": np.uint8(120), "t": np.float32(0.03), "u": np.int8(-9),
    "w": np.arange(-12, 12, dtype=np.int8).reshape(4, 6), "ws": np.float32(0.02), "wz": np.int8(0),
}  # fmt: skip
BODY = """xq = QuantizeLinear(x, s, z)  f = DequantizeLinear(xq, s, z)  g = DequantizeLinear(w, ws, wz)
          [mm] o = MatMul(f, g)  yq = QuantizeLinear(o, t, u)  y = DequantizeLinear(yq, t, u)"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "peer.onnx")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "eval.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))
    return path


def write(path: Path, inputs: str = "float[N, 4] x", **other: np.ndarray | np.generic) -> Path:
    onnx.save(ir.to_proto(net(BODY, inputs=inputs, constants={**CONSTANTS, **other})), path)
    return path


def test_it_writes_the_file_and_tells_what_was_proven(model: Path, data: Path, tmp_path: Path, capsys: Capsys) -> None:
    out, report = tmp_path / "model.tflite", tmp_path / "report.json"
    ran = run(capsys, "convert", model, "-o", out, "-d", data, "--report", report, "--min-agreement", "0.9")
    assert ran.code == 0
    assert out.read_bytes()[4:8] == b"TFL3"
    assert "every code and grid is the source's" in ran.out
    assert "Proof on 8 samples" in ran.out
    found = json.loads(report.read_text())
    assert found["changes"] == []
    assert found["proof"]["steps"]["largest"] <= 1


def test_without_data_codes_are_made_up(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    ran = run(capsys, "convert", model, "-o", tmp_path / "model.tflite", "--json", "-q")
    assert ran.code == 0
    assert json.loads(ran.out)["proof"]["made_up"] is True


def test_c_source_and_the_format_of_onnxruntime_go_by_the_ending(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    for name in ("net.c", "net.ort"):
        assert run(capsys, "convert", model, "-o", tmp_path / name, "--no-prove", "-q").code == 0
    assert {path.name for path in tmp_path.glob("net.*")} == {"net.c", "net.h", "net.ort", "net.ort.config"}
    assert "TFL3" not in (tmp_path / "net.h").read_text()


def test_equal_runs_write_equal_bytes(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    for name in ("a.tflite", "b.tflite"):
        run(capsys, "convert", model, "-o", tmp_path / name, "--no-prove", "-q")
    assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()


@pytest.mark.parametrize("name", ["model.onnx", "model", "model.int8"])
def test_an_ending_without_a_form_is_refused_before_the_work(model: Path, tmp_path: Path, capsys: Capsys, name: str) -> None:
    ran = run(capsys, "convert", model, "-o", tmp_path / name)
    assert ran.code == 2
    assert ".tflite" in ran.err
    assert not (tmp_path / name).exists()


def test_nothing_is_overwritten_without_force(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "net.c"
    (tmp_path / "net.h").write_text("mine")
    assert run(capsys, "convert", model, "-o", out, "--no-prove").code == 2
    assert (tmp_path / "net.h").read_text() == "mine"
    assert not out.exists()
    assert run(capsys, "convert", model, "-o", out, "--no-prove", "--force", "-q").code == 0
    assert (tmp_path / "net.h").read_text() != "mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere/model.tflite", ()), ("model.tflite", ("--report", "report.html")), ("model.tflite", ("--shape", "other=1,4"))],
    ids=["no folder", "report", "shape"],
)
def test_bad_words_end_with_exit_code_2_and_write_nothing(
    model: Path, tmp_path: Path, capsys: Capsys, name: str, words: tuple[str, ...]
) -> None:
    ran = run(capsys, "convert", model, "-o", tmp_path / name, *words)
    assert (ran.code, ran.out) == (2, "")
    assert "fix:" in ran.err
    assert list(tmp_path.glob("**/*.tflite")) == []


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"not a model", b"PK\x03\x04zip"], ids=["empty", "zeros", "text", "zip"])
def test_files_that_are_no_models_are_refused(tmp_path: Path, capsys: Capsys, content: bytes) -> None:
    path = tmp_path / "hostile.onnx"
    path.write_bytes(content)
    ran = run(capsys, "convert", path, "-o", tmp_path / "model.tflite")
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize(
    ("other", "rule"),
    [
        ({"ws": np.full(6, 0.02, np.float32), "wz": np.zeros(6, np.int8)}, "weight_axis"),
        ({"wz": np.int8(120)}, "weight_zero_point"),
        ({"s": np.full(4, 0.05, np.float32), "z": np.full(4, 120, np.uint8)}, "activation_granularity"),
        ({"s": np.float32(0), "z": np.uint8(1)}, "scale_positive"),
        ({"t": np.float32(np.inf)}, "scale_positive"),
    ],
    ids=["axis", "zero point", "scales of an activation", "scale 0", "infinite scale"],
)
def test_grids_against_the_rules_are_refused_by_node_and_rule(
    tmp_path: Path, capsys: Capsys, other: dict[str, np.ndarray], rule: str
) -> None:
    if rule == "weight_axis":  # a square weight, so that the axis fits both ways
        other = {**other, "w": np.ones((6, 6), np.int8)}
    body = BODY if rule != "weight_axis" else BODY.replace("DequantizeLinear(w,", "DequantizeLinear<axis = 0>(w,")
    width = 6 if rule == "weight_axis" else 4
    path = tmp_path / "peer.onnx"
    onnx.save(ir.to_proto(net(body, inputs=f"float[N, {width}] x", constants={**CONSTANTS, **other})), path)
    ran = run(capsys, "convert", path, "-o", tmp_path / "model.tflite")
    assert ran.code == 2, ran.err
    assert f", {rule})" in ran.err and "node " in ran.err


def test_a_float_model_is_sent_to_quantize(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "float.onnx"
    onnx.save(conv_net(), path)
    ran = run(capsys, "convert", path, "-o", tmp_path / "model.tflite")
    assert ran.code == 2
    assert "edgeq quantize" in ran.err


def test_sizes_that_are_not_fixed_are_asked_for(tmp_path: Path, capsys: Capsys) -> None:
    path, out = write(tmp_path / "peer.onnx", inputs="float[N, M, 4] x"), tmp_path / "model.tflite"
    ran = run(capsys, "convert", path, "-o", out)
    assert ran.code == 2
    assert "--shape x=" in ran.err
    assert run(capsys, "convert", path, "-o", out, "--shape", "x=1,3,4", "-q").code == 0


def test_a_missed_floor_ends_with_exit_code_3(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    ran = run(capsys, "convert", model, "-o", tmp_path / "model.tflite", "--no-prove", "--min-agreement", "0.9")
    assert ran.code == 3


def test_changes_are_told_by_node(tmp_path: Path, capsys: Capsys) -> None:
    path = write(tmp_path / "peer.onnx", wz=np.int8(120), w=np.arange(-120, 120, 10, dtype=np.int8).reshape(4, 6))
    ran = run(capsys, "convert", path, "-o", tmp_path / "model.tflite", "--requantize")
    assert ran.code == 0
    assert "mm (MatMul): its int8 weight was rounded" in ran.out
